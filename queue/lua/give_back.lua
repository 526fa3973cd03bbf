-- Give back the permits of one key, and learn how long they were held.
-- KEYS[1] holders (hash: id -> token)          KEYS[2] permits (zset: id -> deadline)
-- KEYS[3] state (hash)
-- ARGV triples: id, token, for how long it was held, ms, or "" if it never was
-- Returns how many were held. Cost: O(triples log permits).
local back = 0
for i = 1, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    back = back + 1
    if ARGV[i + 2] ~= '' then
      local hold = tonumber(redis.call('HGET', KEYS[3], 'hold'))
      hold = hold and hold + (ARGV[i + 2] - hold) / 8 or tonumber(ARGV[i + 2])
      redis.call('HSET', KEYS[3], 'hold', string.format('%.1f', hold))
      if redis.call('PTTL', KEYS[3]) < 3600000 then redis.call('PEXPIRE', KEYS[3], 3600000) end
    end
  end
end
return back
