-- Take back what dead workers held, calmly: after a time in which nobody could extend a lease, wait one lease first.
-- What was present at a death is suspect, and runs apart from the rest next time; what was present at the death of a
-- process of suspects runs alone; only deaths while alone count. Then sweep what has lapsed.
-- KEYS leases claims tries jobs counters pulse recent paused
-- PARTS clock stored nudge lanes uniques taking_out
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] lease, ms    ARGV[3] deaths while alone after which a job is buried
-- ARGV[4] how many claims at most
-- ARGV[5] how many that have lapsed at most
-- Returns {taken back, condemned, calm until or 0, waiting apart, waiting alone, expired}.
-- Cost: O(claims, and the jobs in them).

-- Redis lets a script go on over its memory limit once it wrote something that needs none: reaping must work then.
redis.call('HDEL', claims, '')
local lease, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local beats = redis.call('HMGET', pulse, 'at', 'calm')
local calm = tonumber(beats[2] or '0')
-- A clock that was set back must not leave us waiting for the time it came from; no lease is longer than ten minutes.
if calm > now + lease then calm = now + lease end
local ahead = redis.call('ZRANGEBYSCORE', leases, now + 600001, '+inf', 'LIMIT', 0, 1000)
for i = 1, #ahead do redis.call('ZADD', leases, now + lease, ahead[i]) end
-- Living workers come by every quarter of a lease, to extend and to reap. A silence of more than two fifths means that
-- Redis, or every daemon, was away: then even the latest of them has come by again before its lease runs out. So does
-- the first look of all: Redis may have gone away before anybody looked.
if not beats[1] or now - tonumber(beats[1]) > lease * 2 / 5 then calm = now + lease end
redis.call('HSET', pulse, 'at', now, 'calm', calm)

local stale = redis.call('ZRANGEBYSCORE', recent, '-inf', now, 'LIMIT', 0, 1000)
if #stale > 0 then redis.call('ZREM', recent, unpack(stale)) end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', lapsing, '-inf', now, 'LIMIT', 0, ARGV[5])) do
  owner(key)
  -- Also if somebody else has it by now, who needs no time: left here, it would be in the way of the next ones.
  redis.call('ZREM', lapsing, key)
end
settle_keys()
local woken, expired = false, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', expiring, '-inf', now, 'LIMIT', 0, ARGV[5])) do
  expired = expired + 1
  redis.call('ZREM', expiring, id)
  local stored = redis.call('HGET', jobs, id)
  if stored then
    -- What runs may finish; if it comes back, it is looked at again.
    if condemn(id, stored, 'expired while it waited') == 'running' then redis.call('ZADD', expiring, now + lease, id) end
    woken = true
  end
end
settle_keys()

local back, condemned = 0, 0
local function take_back(id, token)
  local runs, attempts, crashes, hurried = string.match(redis.call('HGET', tries, id) or '0 0 0', '(%d+) (%d+) (%d+)(.*)')
  local stored, mode = redis.call('HGET', jobs, id), string.match(token, '/([gh])%d+$')
  if mode == 'h' then crashes = crashes + 1 end
  redis.call('HSET', tries, id, string.format('%d %d %d%s', runs + 1, attempts, crashes, hurried))
  if redis.call('HEXISTS', verdicts, id) == 1 then
    redis.call('RPUSH', departing, id)
  elseif tonumber(crashes) >= limit then
    redis.call('HSET', verdicts, id, 'dead crashed its worker ' .. crashes .. ' times while it ran alone; see the logs of the workers that died, then revive it')
    redis.call('RPUSH', departing, id)
    condemned = condemned + 1
  elseif stored then
    redis.call('RPUSH', mode and alone or apart, id)
  end
end

if now >= calm then
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, ARGV[4])) do
    local claim, position = redis.call('HGET', claims, token) or '', 0
    for id in string.gmatch(claim, '%S+') do
      position = position + 1
      if position > 1 and redis.call('HGET', held, id) == token then
        redis.call('HDEL', held, id)
        take_back(id, token)
        back = back + 1
      end
    end
    redis.call('ZREM', leases, token)
    redis.call('HDEL', claims, token)
  end
  calm = 0
end
if back > 0 then redis.call('HINCRBY', counters, 'reaped', back) end
if back > 0 or woken then nudge() end
-- Whoever waits in a paused queue needs no process.
local is_paused = redis.call('EXISTS', paused) == 1
return { back, condemned, calm, is_paused and 0 or redis.call('LLEN', apart), is_paused and 0 or redis.call('LLEN', alone), expired }
