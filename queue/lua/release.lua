-- Give back a whole claim whose answer never arrived: nothing of it was started, so nothing is counted.
-- KEYS[1] leases (zset)    KEYS[2] claims (hash)       KEYS[3] held (hash)        KEYS[4] jobs (hash)
-- KEYS[5..7] ready: high, normal, low (lists)          KEYS[8] departing (list)   KEYS[9] verdicts (hash)
-- ARGV[1] the token
-- Returns how many jobs were given back. Cost: O(jobs of the claim).
local function band_of(stored) -- normal, if it was not stored by us
  local band = tonumber(string.sub(stored, 14, 14))
  return band and band <= 2 and band or 1
end

local ids = {}
for id in string.gmatch(redis.call('HGET', KEYS[2], ARGV[1]) or '', '%S+') do ids[#ids + 1] = id end
local back = 0
for i = #ids, 2, -1 do -- the first word is the time; backwards keeps the order
  if redis.call('HGET', KEYS[3], ids[i]) == ARGV[1] then
    redis.call('HDEL', KEYS[3], ids[i])
    local stored = redis.call('HGET', KEYS[4], ids[i])
    if redis.call('HEXISTS', KEYS[9], ids[i]) == 1 then
      redis.call('LPUSH', KEYS[8], ids[i])
    elseif stored then
      redis.call('LPUSH', KEYS[5 + band_of(stored)], ids[i])
    end
    back = back + 1
  end
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return back
