-- Keep the permits of one key whose jobs still run.
-- KEYS[1] holders (hash: id -> token)          KEYS[2] permits (zset: id -> deadline)
-- ARGV[1] now, ms, or "" for TIME              ARGV[2] a permit's lease, ms
-- then pairs: id, token
-- Returns the ids that somebody else holds now. Cost: O(pairs log permits).
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
redis.call('HDEL', KEYS[1], '')
local lost = {}
for i = 3, #ARGV, 2 do
  local holder = redis.call('HGET', KEYS[1], ARGV[i])
  if holder and holder ~= ARGV[i + 1] then
    lost[#lost + 1] = ARGV[i]
  else
    -- One that lapsed while its job went on is counted again: better one too many known than one too many running.
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[2]), ARGV[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2] + 60000)
redis.call('PEXPIRE', KEYS[2], ARGV[2] + 60000)
return lost
