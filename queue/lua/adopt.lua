-- Take up an entry of the schedule as a daemon's file has it: from now on, if it is new, was off, or means other times.
-- KEYS[1] state (hash)
-- ARGV[1] now, ms, or "" for TIME     ARGV[2] the entry's line and zone     ARGV[3] "on" | "off"
-- ARGV[4] a last tick so far ahead, ms, is a clock's mistake
-- Returns now. Cost: O(1).
-- PARTS clock
local state = KEYS[1]
if ARGV[3] == 'off' then
  redis.call('HSET', state, 'off', '1')
  return now
end
local known = redis.call('HMGET', state, 'line', 'off', 'tick')
local tick = tonumber(known[3])
if known[1] ~= ARGV[2] or known[2] or not tick or tick - now > tonumber(ARGV[4]) then
  redis.call('HSET', state, 'line', ARGV[2], 'tick', string.format('%.0f', now))
  redis.call('HDEL', state, 'off')
end
return now
