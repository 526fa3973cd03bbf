-- Tie this Redis to the store that keeps its history, unless it is tied already. Whoever comes first decides.
-- KEYS[1] the id of the store
-- ARGV[1] the id of ours
-- Returns the id of the store that it is tied to. Cost: O(1).
local found = redis.call('GET', KEYS[1])
if found then return found end
-- Redis lets a script go on over its memory limit once it wrote something that needs none: a Redis that its hosts have
-- filled before any daemon came is emptied by the first one.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
