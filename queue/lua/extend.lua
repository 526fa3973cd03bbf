-- Keep the leases of a living worker, all of them at once.
-- KEYS[1] leases (zset)    KEYS[2] claims (hash)
-- ARGV[1] lease, ms    ARGV[2] now, ms, or "" for TIME    ARGV[3..] tokens
-- Returns the tokens whose lease was taken away: what they held may run elsewhere by now. Cost: O(tokens log leases).
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- Redis lets a script go on over its memory limit once it wrote something that needs none: leases must last then.
redis.call('HDEL', KEYS[2], '')
local tokens, kept, lost = {}, {}, {}
for i = 3, #ARGV do tokens[#tokens + 1] = ARGV[i] end
local deadlines = redis.call('ZMSCORE', KEYS[1], unpack(tokens))
for i = 1, #tokens do
  if deadlines[i] then
    kept[#kept + 1] = now + tonumber(ARGV[1])
    kept[#kept + 1] = tokens[i]
  else
    lost[#lost + 1] = tokens[i]
  end
end
if #kept > 0 then redis.call('ZADD', KEYS[1], unpack(kept)) end
return lost
