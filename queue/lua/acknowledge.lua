-- Let jobs leave the queue whose end is recorded; only for whom still holds them.
-- KEYS tries leases claims
-- PARTS clock stored nudge lanes uniques taking_out putting batches
-- further keys: reply lists, in the order of the items that want one
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] how long given ids are remembered, ms    ARGV[3] how long a reply waits, ms
-- ARGV[4] how many claims end with this; then their tokens
-- then quadruples: id, token, tie, reply or "". The tie: `+` if the id was the host's, else `-`; for a job with bonds
-- `#` or `=`, then its outcome, a space, and the bonds.
-- Returns the positions of the items that were no longer held. Cost: O(items).
-- Redis lets a script go on over its memory limit once it wrote something that needs none: leaving must work then.
redis.call('HDEL', claims, '')
local ended, first = tonumber(ARGV[4]), 5 + tonumber(ARGV[4])
local ids = {}
for i = first, #ARGV, 4 do ids[#ids + 1] = ARGV[i] end
local holders = redis.call('HMGET', held, unpack(ids))
local gone, lost, remembered, replies, tied, reply_key = {}, {}, {}, {}, {}, KEYS_DECLARED
for i = 1, #ids do
  local at = first + 4 * (i - 1)
  local tie, wants = ARGV[at + 2], ARGV[at + 3] ~= ''
  if wants then reply_key = reply_key + 1 end
  if holders[i] == ARGV[at + 1] then
    gone[#gone + 1] = ids[i]
    local kind = string.byte(tie)
    if kind == 43 or kind == 35 then
      remembered[#remembered + 1] = now + tonumber(ARGV[2])
      remembered[#remembered + 1] = ids[i]
    end
    if #tie > 1 then tied[#tied + 1] = { ids[i], tie } end
    if wants then replies[#replies + 1] = { KEYS[reply_key], ARGV[at + 3] } end
  else
    lost[#lost + 1] = i
  end
end
if #gone > 0 then
  redis.call('HDEL', jobs, unpack(gone))
  redis.call('HDEL', held, unpack(gone))
  if redis.call('EXISTS', tries) == 1 then redis.call('HDEL', tries, unpack(gone)) end
  if redis.call('EXISTS', verdicts) == 1 then redis.call('HDEL', verdicts, unpack(gone)) end
end
if ended > 0 then
  local tokens = {}
  for i = 5, 4 + ended do tokens[#tokens + 1] = ARGV[i] end
  redis.call('ZREM', leases, unpack(tokens))
  redis.call('HDEL', claims, unpack(tokens))
end
if #remembered > 0 then
  local stale = redis.call('ZRANGEBYSCORE', recent, '-inf', now, 'LIMIT', 0, 1000)
  if #stale > 0 then redis.call('ZREM', recent, unpack(stale)) end
  redis.call('ZADD', recent, unpack(remembered))
end
for i = 1, #replies do
  redis.call('RPUSH', replies[i][1], replies[i][2])
  redis.call('PEXPIRE', replies[i][1], ARGV[3])
end
if #tied > 0 then
  local lanes_here, keys_here, woken = {}, {}, false
  for i = 1, #tied do
    -- A lane and a place, and nothing else, is the most frequent case.
    local outcome, lane, place = string.match(tied[i][2], '^.(%a+) L(%S+) S(%d+)$')
    local bonds = outcome and { L = lane, S = place }
    if not bonds then
      local words
      outcome, words = string.match(tied[i][2], '^.(%a+) (.*)$')
      bonds = by_letter(words)
    end
    tied[i][2], tied[i][3] = outcome, bonds
    if bonds.L then lanes_here[#lanes_here + 1] = bonds end
    if bonds.U then keys_here[#keys_here + 1] = string.sub(bonds.U, 2) end
  end
  foresee(lanes_here)
  know_keys(keys_here)
  for i = 1, #tied do
    local id, outcome, bonds = tied[i][1], tied[i][2], tied[i][3]
    woken = let_go(id, bonds) or woken
    if bonds.B then woken = count_out(bonds.B, outcome, 7 * 86400000) or woken end
  end
  settle_all()
  if woken then nudge() end
end
if #gone > 0 then redis.call('HINCRBY', counters, 'left', #gone) end
if #lost > 0 then redis.call('HINCRBY', counters, 'lost', #lost) end
return lost
