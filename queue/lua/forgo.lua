-- Take back a pass that came too late to be used, and let its job be the next one.
-- KEYS[1] line (zset)      KEYS[2] slots (zset)        KEYS[3] state (hash)
-- ARGV[1] job's id         ARGV[2] when it passed, ms  ARGV[3] until when it waits now, ms
-- then the starts of the days that it was counted in, ms
-- Returns OK. The windows keep it: whether something was sent nobody can know there. Cost: O(log line).
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
for i = 1, 2 do
  if redis.call('PTTL', KEYS[i]) < 3600000 then redis.call('PEXPIRE', KEYS[i], 3600000) end
end
for i = 4, #ARGV do
  local day = 'day:' .. ARGV[i]
  if tonumber(redis.call('HGET', KEYS[3], day) or 0) > 0 then redis.call('HINCRBY', KEYS[3], day, -1) end
end
return redis.status_reply('OK')
