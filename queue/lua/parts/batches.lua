-- Batches: `batches` has, for each, `ID opened` (when), `ID size` once it is sealed, `ID then` (its follow-up: id, band,
-- bonds, envelope), and a number of jobs for each outcome.
-- KEYS jobs batches counters recent
local OUTCOMES = { 'done', 'dead', 'expired', 'cancelled', 'replaced' }

-- If all of a sealed batch have left, its follow-up sets out with the counts, and the batch is over.
local function end_batch(batch, memory_ms)
  local fields = { batch .. ' size', batch .. ' then', batch .. ' opened' }
  for i = 1, #OUTCOMES do fields[#fields + 1] = batch .. ' ' .. OUTCOMES[i] end
  local values = redis.call('HMGET', batches, unpack(fields))
  if not values[1] then return false end
  local left, counts = 0, values[1]
  for i = 4, #values do
    left = left + tonumber(values[i] or '0')
    counts = counts .. ':' .. (values[i] or '0')
  end
  if left < tonumber(values[1]) then return false end
  redis.call('HDEL', batches, unpack(fields))
  -- Whoever opened it may not know yet, and would open it again.
  redis.call('ZADD', recent, now + memory_ms, 'batch ' .. batch)
  if not values[2] then return false end
  local id, band, bonds, text = string.match(values[2], '^(%S+) (%d)([^\n]*)\n(.*)$')
  -- Sent by somebody else under the same id: that is the one job there may be.
  if redis.call('HEXISTS', jobs, id) == 1 then return false end
  local words = (bonds == '' and '' or string.sub(bonds, 2) .. ' ') .. 'C' .. batch .. ':' .. counts
  place('+', id, band, 0, words, by_letter(words), text)
  settle_all() -- another batch of this call may have the same follow-up
  redis.call('HINCRBY', counters, 'enqueued', 1)
  return true
end

local function count_out(batch, outcome, memory_ms)
  -- One that was never opened, or is over, counts nothing: it would count for ever.
  if redis.call('HEXISTS', batches, batch .. ' opened') == 0 then return false end
  redis.call('HINCRBY', batches, batch .. ' ' .. outcome, 1)
  return end_batch(batch, memory_ms)
end
