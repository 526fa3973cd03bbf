-- Let a paused entry fire again, from now on: what it would have done meanwhile is not made up for.
-- KEYS[1] state (hash)
-- ARGV[1] now, ms, or "" for TIME
-- Returns the last tick before the pause, or "" when it was not paused. Cost: O(1).
-- PARTS clock
local state = KEYS[1]
if redis.call('HDEL', state, 'paused') == 0 then return '' end
local tick = redis.call('HGET', state, 'tick') or ''
redis.call('HSET', state, 'tick', string.format('%.0f', now))
return tick
