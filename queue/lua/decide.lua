-- Decide what becomes of an entry's ticks up to one of them, unless somebody else has; what is left to do is kept until
-- it is done: whoever dies over it is succeeded by another daemon.
-- KEYS[1] state (hash)                KEYS[2] left (hash: tick -> what is left to do)
-- ARGV[1] now, ms, or "" for TIME     ARGV[2] the tick after which was decided, as we know it
-- ARGV[3] the last tick that is decided now           ARGV[4] "queue id" of the last job, or ""
-- ARGV[5] the most that may be left; then pairs: tick, what is left to do
-- Returns {what, now}; what is 1: decided; 0: others have decided, or it is paused; 2: too early; 3: too much is left.
-- Cost: O(pairs).
-- PARTS clock
local state, left = KEYS[1], KEYS[2]
if redis.call('HGET', state, 'tick') ~= ARGV[2] or redis.call('HEXISTS', state, 'paused') == 1 then return { 0, now } end
if tonumber(ARGV[3]) > now then return { 2, now } end
if redis.call('HLEN', left) >= tonumber(ARGV[5]) then return { 3, now } end
for i = 6, #ARGV, 2 do redis.call('HSET', left, ARGV[i], ARGV[i + 1]) end
redis.call('HSET', state, 'tick', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', state, 'last', ARGV[4]) end
return { 1, now }
