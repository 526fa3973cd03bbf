-- Take back what dead workers held, calmly: after a time in which nobody could extend a lease, wait one lease first.
-- KEYS[1] leases (zset)    KEYS[2] claims (hash)       KEYS[3] held (hash)        KEYS[4] tries (hash)
-- KEYS[5] jobs (hash)      KEYS[6..8] ready: high, normal, low (lists)            KEYS[9] departing (list)
-- KEYS[10] verdicts (hash) KEYS[11] counters (hash)    KEYS[12] pulse (hash: at, calm)
-- KEYS[13] idle (string)   KEYS[14] inbox (list)       KEYS[15] recent (zset)
-- KEYS[16] started (hash: id -> token, of jobs that were present at a death before)
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] lease, ms    ARGV[3] crashes after which a job is buried
-- ARGV[4] how many claims at most
-- Returns {taken back, condemned, calm until or 0}. Cost: O(claims, and the jobs in them).
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- Redis lets a script go on over its memory limit once it wrote something that needs none: reaping must work then.
redis.call('HDEL', KEYS[2], '')
local lease, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local pulse = redis.call('HMGET', KEYS[12], 'at', 'calm')
local calm = tonumber(pulse[2] or '0')
-- A clock that was set back must not leave us waiting for the time it came from; no lease is longer than ten minutes.
if calm > now + lease then calm = now + lease end
local ahead = redis.call('ZRANGEBYSCORE', KEYS[1], now + 600001, '+inf', 'LIMIT', 0, 1000)
for i = 1, #ahead do redis.call('ZADD', KEYS[1], now + lease, ahead[i]) end
-- Living workers come by every quarter of a lease, to extend and to reap. A silence of more than two fifths means that
-- Redis, or every daemon, was away: then even the latest of them has come by again before its lease runs out.
if pulse[1] and now - tonumber(pulse[1]) > lease * 2 / 5 then calm = now + lease end
redis.call('HSET', KEYS[12], 'at', now, 'calm', calm)
local stale = redis.call('ZRANGEBYSCORE', KEYS[15], '-inf', now, 'LIMIT', 0, 1000)
if #stale > 0 then redis.call('ZREM', KEYS[15], unpack(stale)) end
if now < calm then return { 0, 0, calm } end

local function band_of(stored) -- normal, if it was not stored by us
  local band = tonumber(string.sub(stored, 14, 14))
  return band and band <= 2 and band or 1
end

local back, condemned = 0, 0
for _, token in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[4])) do
  local claim, position = redis.call('HGET', KEYS[2], token) or '', 0
  for id in string.gmatch(claim, '%S+') do
    position = position + 1
    if position > 1 and redis.call('HGET', KEYS[3], id) == token then
      redis.call('HDEL', KEYS[3], id)
      local runs, attempts, crashes = string.match(redis.call('HGET', KEYS[4], id) or '0 0 0', '(%d+) (%d+) (%d+)')
      -- The first death is charged to all who were present, because nobody knows better; after that, only to those
      -- whose handlers ran, as the worker notes for them.
      if crashes == '0' or redis.call('HGET', KEYS[16], id) == token then crashes = crashes + 1 end
      crashes = tonumber(crashes)
      redis.call('HDEL', KEYS[16], id)
      redis.call('HSET', KEYS[4], id, string.format('%d %d %d', runs + 1, attempts, crashes))
      local stored = redis.call('HGET', KEYS[5], id)
      if redis.call('HEXISTS', KEYS[10], id) == 1 then
        redis.call('RPUSH', KEYS[9], id)
      elseif crashes >= limit then
        redis.call('HSET', KEYS[10], id, 'dead crashed its worker ' .. crashes .. ' times; see the logs of the workers that died, then revive it')
        redis.call('RPUSH', KEYS[9], id)
        condemned = condemned + 1
      elseif stored then
        redis.call('LPUSH', KEYS[6 + band_of(stored)], id)
      end
      back = back + 1
    end
  end
  redis.call('ZREM', KEYS[1], token)
  redis.call('HDEL', KEYS[2], token)
end
if back > 0 then
  redis.call('HINCRBY', KEYS[11], 'reaped', back)
  if redis.call('DEL', KEYS[13]) == 1 then redis.call('RPUSH', KEYS[14], '') end
end
return { back, condemned, 0 }
