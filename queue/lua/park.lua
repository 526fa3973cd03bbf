-- Give held jobs back to wait: until a time (retry, snooze), or at the head of their band at once (hand-back).
-- KEYS held tries leases claims departing verdicts counters
-- PARTS clock stored nudge lanes
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] how many claims end with this; then their tokens
-- then quintuples: id, token, mark, when (ms, or 0 for at once), tries to remember. The mark: the digit of its band, and
-- for one that lets others of its lane pass a space and its bonds; or `g` or `h` for a suspect that is not cleared.
-- Returns the positions of the items that were no longer held. Cost: O(items log due).
-- Redis lets a script go on over its memory limit once it wrote something that needs none: parking must work then.
redis.call('HDEL', claims, '')
local ended, first = tonumber(ARGV[2]), 3 + tonumber(ARGV[2])
local ids = {}
for i = first, #ARGV, 5 do ids[#ids + 1] = ARGV[i] end
local holders = redis.call('HMGET', held, unpack(ids))
local condemned = redis.call('EXISTS', verdicts) == 1 and redis.call('HMGET', verdicts, unpack(ids)) or {}
local freed, lost, heads_of, remembered, passed = {}, {}, {}, {}, {}
for i = #ids, 1, -1 do -- backwards, so that what is pushed to a head keeps its order
  local at = first + 5 * (i - 1)
  local mark, words = string.sub(ARGV[at + 2], 1, 1), string.sub(ARGV[at + 2], 3)
  if holders[i] ~= ARGV[at + 1] then
    lost[#lost + 1] = i
  else
    freed[#freed + 1] = ids[i]
    remembered[#remembered + 1] = ids[i]
    remembered[#remembered + 1] = ARGV[at + 4]
    if condemned[i] then
      heads_of[#heads_of + 1] = { departing, ids[i] }
    elseif ARGV[at + 3] == '0' then
      heads_of[#heads_of + 1] = { READY[mark], ids[i] }
    else
      later[#later + 1] = ARGV[at + 3]
      later[#later + 1] = (words == '' and mark or PASSING[mark]) .. ids[i]
      if words ~= '' then passed[#passed + 1] = { by_letter(words), ids[i] } end
    end
  end
end
if #freed > 0 then
  redis.call('HDEL', held, unpack(freed))
  redis.call('HSET', tries, unpack(remembered))
  for i = 1, #heads_of do redis.call('LPUSH', heads_of[i][1], heads_of[i][2]) end
  for i = 1, #passed do leave_lane(passed[i][1], passed[i][2]) end
  settle()
  nudge()
  redis.call('HINCRBY', counters, 'parked', #freed)
end
if ended > 0 then
  local tokens = {}
  for i = 3, 2 + ended do tokens[#tokens + 1] = ARGV[i] end
  redis.call('ZREM', leases, unpack(tokens))
  redis.call('HDEL', claims, unpack(tokens))
end
if #lost > 0 then redis.call('HINCRBY', counters, 'lost', #lost) end
return lost
