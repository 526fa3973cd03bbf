-- Bring dead letters back to life: the same ids, a new life, the count of runs going on.
-- KEYS[1] jobs (hash)      KEYS[2] tries (hash)        KEYS[3..5] ready: high, normal, low (lists)
-- KEYS[6] recent (zset)    KEYS[7] idle (string)       KEYS[8] inbox (list)       KEYS[9] counters (hash)
-- ARGV[1] now, ms, or "" for TIME    ARGV[2..] quadruples: id, band, runs so far, envelope
-- Returns one line per item: `queued` or `duplicate` (it is alive already). Cost: O(items).
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local answers, revived = {}, 0
for i = 2, #ARGV, 4 do
  local id, band = ARGV[i], ARGV[i + 1]
  if redis.call('HSETNX', KEYS[1], id, string.format('%013.0f', now) .. band .. '+' .. ARGV[i + 3]) == 1 then
    redis.call('HSET', KEYS[2], id, ARGV[i + 2] .. ' 0 0')
    redis.call('RPUSH', KEYS[3 + tonumber(band)], id)
    redis.call('ZREM', KEYS[6], id)
    answers[#answers + 1] = 'queued'
    revived = revived + 1
  else
    answers[#answers + 1] = 'duplicate'
  end
end
if revived > 0 then
  redis.call('HINCRBY', KEYS[9], 'enqueued', revived)
  if redis.call('DEL', KEYS[7]) == 1 then redis.call('RPUSH', KEYS[8], '') end
end
return answers
