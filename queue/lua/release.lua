-- Give back a whole claim whose answer never arrived: nothing of it was started, so nothing is counted.
-- KEYS leases claims held jobs departing verdicts
-- PARTS clock stored nudge lanes
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] the token
-- Returns how many jobs were given back. Cost: O(jobs of the claim).
-- Redis lets a script go on over its memory limit once it wrote something that needs none: giving back must work then.
redis.call('HDEL', claims, '')
local suspects = string.match(ARGV[2], '/([gh])%d+$')
local ids = {}
for id in string.gmatch(redis.call('HGET', claims, ARGV[2]) or '', '%S+') do ids[#ids + 1] = id end
local back = 0
for i = #ids, 2, -1 do -- the first word is the time; backwards keeps the order
  if redis.call('HGET', held, ids[i]) == ARGV[2] then
    redis.call('HDEL', held, ids[i])
    local stored = redis.call('HGET', jobs, ids[i])
    if redis.call('HEXISTS', verdicts, ids[i]) == 1 then
      redis.call('LPUSH', departing, ids[i])
    elseif stored then
      redis.call('LPUSH', READY[suspects or band_of(stored)], ids[i])
    end
    back = back + 1
  end
end
redis.call('ZREM', leases, ARGV[2])
redis.call('HDEL', claims, ARGV[2])
if back > 0 then nudge() end
return back
