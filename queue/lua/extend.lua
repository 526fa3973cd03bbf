-- Keep the leases of a living worker, all of them at once.
-- KEYS leases claims
-- PARTS clock
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] lease, ms    ARGV[3..] tokens
-- Returns the tokens whose lease was taken away: what they held may run elsewhere by now. Cost: O(tokens log leases).
-- Redis lets a script go on over its memory limit once it wrote something that needs none: leases must last then.
redis.call('HDEL', claims, '')
local tokens, kept, lost = {}, {}, {}
for i = 3, #ARGV do tokens[#tokens + 1] = ARGV[i] end
local deadlines = redis.call('ZMSCORE', leases, unpack(tokens))
for i = 1, #tokens do
  if deadlines[i] then
    kept[#kept + 1] = now + tonumber(ARGV[2])
    kept[#kept + 1] = tokens[i]
  else
    lost[#lost + 1] = tokens[i]
  end
end
if #kept > 0 then redis.call('ZADD', leases, unpack(kept)) end
return lost
