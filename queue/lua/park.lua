-- Give held jobs back to wait: until a time (retry, snooze), or at the head of their band at once (hand-back).
-- KEYS[1] held (hash)      KEYS[2] tries (hash)        KEYS[3] due (zset)         KEYS[4..6] ready: high, normal, low
-- KEYS[7] leases (zset)    KEYS[8] claims (hash)       KEYS[9] idle (string)      KEYS[10] inbox (list)
-- KEYS[11] departing (list)                            KEYS[12] verdicts (hash)   KEYS[13] counters (hash)
-- KEYS[14] started (hash)
-- ARGV[1] how many claims end with this; then their tokens
-- then quintuples: id, token, band, when (ms, or 0 for at once), tries to remember
-- Returns the positions of the items that were no longer held. Cost: O(items log due).
local ended, first = tonumber(ARGV[1]), 2 + tonumber(ARGV[1])
local ids = {}
for i = first, #ARGV, 5 do ids[#ids + 1] = ARGV[i] end
local holders = redis.call('HMGET', KEYS[1], unpack(ids))
local condemned = redis.call('EXISTS', KEYS[12]) == 1 and redis.call('HMGET', KEYS[12], unpack(ids)) or {}
local freed, lost, due, heads, tries = {}, {}, {}, {}, {}
for i = #ids, 1, -1 do -- backwards, so that what is pushed to a head keeps its order
  local at = first + 5 * (i - 1)
  if holders[i] ~= ARGV[at + 1] then
    lost[#lost + 1] = i
  else
    freed[#freed + 1] = ids[i]
    tries[#tries + 1] = ids[i]
    tries[#tries + 1] = ARGV[at + 4]
    if condemned[i] then
      heads[#heads + 1] = { KEYS[11], ids[i] }
    elseif ARGV[at + 3] == '0' then
      heads[#heads + 1] = { KEYS[4 + tonumber(ARGV[at + 2])], ids[i] }
    else
      due[#due + 1] = ARGV[at + 3]
      due[#due + 1] = ARGV[at + 2] .. ids[i]
    end
  end
end
if #freed > 0 then
  redis.call('HDEL', KEYS[1], unpack(freed))
  redis.call('HDEL', KEYS[14], unpack(freed))
  redis.call('HSET', KEYS[2], unpack(tries))
  if #due > 0 then redis.call('ZADD', KEYS[3], unpack(due)) end
  for i = 1, #heads do redis.call('LPUSH', heads[i][1], heads[i][2]) end
  if redis.call('DEL', KEYS[9]) == 1 then redis.call('RPUSH', KEYS[10], '') end
  redis.call('HINCRBY', KEYS[13], 'parked', #freed)
end
if ended > 0 then
  local tokens = {}
  for i = 2, 1 + ended do tokens[#tokens + 1] = ARGV[i] end
  redis.call('ZREM', KEYS[7], unpack(tokens))
  redis.call('HDEL', KEYS[8], unpack(tokens))
end
if #lost > 0 then redis.call('HINCRBY', KEYS[13], 'lost', #lost) end
return lost
