-- Bring dead letters back to life: the same ids, a new life, the count of runs going on.
-- KEYS tries
-- PARTS clock stored nudge lanes uniques taking_out putting
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] how many jobs may wait in a lane
-- ARGV[3] how many; then how many runs each had; then sextuples as for `put`
-- Returns position and answer for each that was not revived: `duplicate ID` (it, or who has its key, is alive) or
-- `rejected REASON`. Cost: O(items).
local first = 4 + tonumber(ARGV[3])
for i = first + 1, #ARGV, 6 do
  -- Remembered it may be; only a living one stands in its way.
  redis.call('ZREM', recent, ARGV[i])
end
local answers = put(ARGV, first, tonumber(ARGV[2]))
local reply = {}
for at = 1, tonumber(ARGV[3]) do
  if answers[at] then
    reply[#reply + 1] = at
    reply[#reply + 1] = answers[at]
  else
    redis.call('HSET', tries, ARGV[first + 6 * (at - 1) + 1], ARGV[3 + at] .. ' 0 0')
  end
end
return reply
