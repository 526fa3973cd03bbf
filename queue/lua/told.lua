-- Note what the other side said about one key's limit: the stricter word holds until its time is over.
-- KEYS[1] state (hash)
-- ARGV[1] now, ms, or "" for TIME              ARGV[2] nothing it says holds longer than this, ms
-- ARGV[3] wait so long, ms, or ""              ARGV[4] so many more, or ""        ARGV[5] until this time, ms, or ""
-- ARGV[6] how long the count holds if no time was said, ms
-- ARGV[7] a reset that is so much later, ms, belongs to a new window
-- Returns {blocked until or 0, left, until or 0}. Cost: O(1).
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- This must be possible on a full Redis too: see limit.lua.
redis.call('HDEL', KEYS[1], '')
local known = redis.call('HMGET', KEYS[1], 'blocked', 'left', 'reset')
for i = 1, 3 do known[i] = tonumber(known[i]) or 0 end
local blocked, left, reset = unpack(known)
local longest = now + ARGV[2]
if ARGV[3] ~= '' then blocked = math.max(blocked, math.min(now + ARGV[3], longest)) end
if ARGV[4] ~= '' then
  local says, ends = tonumber(ARGV[4]), math.min(tonumber(ARGV[5]) or now + ARGV[6], longest)
  if ends > now then
    if reset <= now or ends > reset + ARGV[7] then
      left, reset = says, ends
    elseif says < left then
      left = says
    end
  end
end
redis.call('HSET', KEYS[1], 'blocked', string.format('%.0f', blocked), 'left', string.format('%.0f', left),
  'reset', string.format('%.0f', reset))
local ms = math.max(blocked, reset, now) - now + 3600000
if redis.call('PTTL', KEYS[1]) < ms then redis.call('PEXPIRE', KEYS[1], math.ceil(ms)) end
return { blocked > now and blocked or 0, left, reset > now and reset or 0 }
