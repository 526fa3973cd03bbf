-- Let jobs leave the queue whose end is recorded; only for whom still holds them.
-- KEYS[1] jobs (hash)      KEYS[2] held (hash)         KEYS[3] tries (hash)       KEYS[4] verdicts (hash)
-- KEYS[5] recent (zset)    KEYS[6] leases (zset)       KEYS[7] claims (hash)      KEYS[8] counters (hash)
-- KEYS[9] started (hash)   KEYS[10..] reply lists, in the order of the items that want one
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] how long given ids are remembered, ms    ARGV[3] how long a reply waits, ms
-- ARGV[4] how many claims end with this; then their tokens
-- then quadruples: id, token, `+` if the id was the host's else `-`, reply or ""
-- Returns the positions of the items that were no longer held. Cost: O(items).
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local ended, first = tonumber(ARGV[4]), 5 + tonumber(ARGV[4])
local ids = {}
for i = first, #ARGV, 4 do ids[#ids + 1] = ARGV[i] end
local holders = redis.call('HMGET', KEYS[2], unpack(ids))
local gone, lost, recent, replies, reply_key = {}, {}, {}, {}, 9
for i = 1, #ids do
  local at = first + 4 * (i - 1)
  local wants = ARGV[at + 3] ~= ''
  if wants then reply_key = reply_key + 1 end
  if holders[i] == ARGV[at + 1] then
    gone[#gone + 1] = ids[i]
    if ARGV[at + 2] == '+' then
      recent[#recent + 1] = now + tonumber(ARGV[2])
      recent[#recent + 1] = ids[i]
    end
    if wants then replies[#replies + 1] = { KEYS[reply_key], ARGV[at + 3] } end
  else
    lost[#lost + 1] = i
  end
end
-- What frees memory comes first: so it works on a full Redis, and what follows in the same script is then let through.
if #gone > 0 then
  redis.call('HDEL', KEYS[1], unpack(gone))
  redis.call('HDEL', KEYS[2], unpack(gone))
  if redis.call('EXISTS', KEYS[3]) == 1 then
    redis.call('HDEL', KEYS[3], unpack(gone))
    redis.call('HDEL', KEYS[9], unpack(gone))
  end
  if redis.call('EXISTS', KEYS[4]) == 1 then redis.call('HDEL', KEYS[4], unpack(gone)) end
end
if ended > 0 then
  local tokens = {}
  for i = 5, 4 + ended do tokens[#tokens + 1] = ARGV[i] end
  redis.call('ZREM', KEYS[6], unpack(tokens))
  redis.call('HDEL', KEYS[7], unpack(tokens))
end
if #recent > 0 then
  local stale = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 1000)
  if #stale > 0 then redis.call('ZREM', KEYS[5], unpack(stale)) end
  redis.call('ZADD', KEYS[5], unpack(recent))
end
for i = 1, #replies do
  redis.call('RPUSH', replies[i][1], replies[i][2])
  redis.call('PEXPIRE', replies[i][1], ARGV[3])
end
if #gone > 0 then redis.call('HINCRBY', KEYS[8], 'left', #gone) end
if #lost > 0 then redis.call('HINCRBY', KEYS[8], 'lost', #lost) end
return lost
