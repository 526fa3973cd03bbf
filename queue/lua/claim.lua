-- Move what is due, then lease the next jobs to one worker under one token, in one step.
-- KEYS jobs tries verdicts held claims leases departing inbox admitter idle paused counters
-- PARTS clock stored lanes uniques ghosts
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] a fresh token    ARGV[3] lease, ms    ARGV[4] how many    ARGV[5] byte budget
-- ARGV[6] every so many claims start from the lowest band
-- ARGV[7] after this time, ms, nobody waits for the answer any more: then nothing is claimed; or ""
-- ARGV[8] "" for a daemon; `apart` or `alone` for a process that runs suspects and nothing else
-- Returns {now, next due or 0, inbox length, paused 0|1, (id, stored, tries or "", verdict or "")*}.
-- An id whose envelope is gone has left: it is passed over. Cost: O(claimed + promoted).

-- A call that lay in a socket while Redis stood still must not take jobs for a worker that has given it up.
if ARGV[7] ~= '' and now > tonumber(ARGV[7]) then return { now, 0, 0, 0 } end
-- Redis lets a script go on over its memory limit once it wrote something that needs none: claiming must work then.
redis.call('HDEL', claims, ARGV[2])
-- The wake-up line has done its work; nobody who looked before may be made to count it.
if redis.call('LINDEX', inbox, 0) == '' and redis.call('EXISTS', admitter) == 0 then redis.call('LPOP', inbox) end

local is_paused = redis.call('EXISTS', paused)
local most, budget = tonumber(ARGV[4]), tonumber(ARGV[5])
local ids, found, bytes = {}, {}, 0

-- So many entries that were taken out are passed over in one step; then there is more to come at once.
local passes_left = 2000
local function take(key, band, up_to)
  local haunted = band and redis.call('EXISTS', ghosts) == 1
  while #ids < up_to and bytes < budget and passes_left > 0 do
    local part = redis.call('LPOP', key, math.min(100, up_to - #ids))
    if not part then return end
    local stored = redis.call('HMGET', jobs, unpack(part))
    for i = 1, #part do
      if not (haunted and is_ghost(band, part[i])) and stored[i] then
        ids[#ids + 1] = part[i]
        found[#found + 1] = stored[i]
        bytes = bytes + #stored[i]
      else
        passes_left = passes_left - 1
      end
    end
  end
end

-- What is due goes by its mark: to its band, to the other suspects, or to wait for its turn in a lane that passed it.
local function promote()
  local members = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 500)
  if #members == 0 then return end
  redis.call('ZREM', due, unpack(members))
  for i = 1, #members do
    local mark, id = string.sub(members[i], 1, 1), string.sub(members[i], 2)
    local list = out[mark]
    if list then
      list[#list + 1] = id
    else
      local stored = redis.call('HGET', jobs, id)
      local bonds = stored and bonds_of(stored)
      if bonds and bonds.L then come_back(bonds, id, BAND[mark]) end
    end
  end
  settle()
end

if ARGV[8] == 'apart' or ARGV[8] == 'alone' then
  if is_paused == 0 then take(ARGV[8] == 'apart' and apart or alone, nil, most) end
else
  -- What only has to be recorded goes first, but leaves room for what has to run.
  take(departing, nil, is_paused == 1 and most or math.ceil(most / 2))
  if is_paused == 0 then
    promote()
    -- Strict bands, but every so often the lowest goes first: nothing starves.
    if redis.call('HINCRBY', counters, 'claims', 1) % tonumber(ARGV[6]) == 0 then
      take(low, '2', most) take(normal, '1', most) take(high, '0', most)
    else
      take(high, '0', most) take(normal, '1', most) take(low, '2', most)
    end
    take(departing, nil, most)
  end
end

local waiting = redis.call('LLEN', inbox)
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
local reply = { now, passes_left > 0 and tonumber(first[2] or '0') or now, waiting, is_paused }
if #ids == 0 then
  -- Whoever brings work next will wake us.
  if waiting == 0 and ARGV[8] == '' and passes_left > 0 then redis.call('SET', idle, 1) end
  return reply
end

local holds = {}
for i = 1, #ids do
  holds[2 * i - 1] = ids[i]
  holds[2 * i] = ARGV[2]
end
redis.call('HSET', held, unpack(holds))
redis.call('HSET', claims, ARGV[2], now .. ' ' .. table.concat(ids, ' '))
redis.call('ZADD', leases, now + tonumber(ARGV[3]), ARGV[2])
-- What was unique while it was queued is so no longer.
if redis.call('EXISTS', uniques) == 1 then
  for i = 1, #ids do
    -- Looked for before anything is taken apart: most jobs have no such key.
    local bonds = string.find(found[i], 'Uq', 16, true) and bonds_of(found[i])
    if bonds and bonds.U and string.sub(bonds.U, 1, 1) == 'q' then disown(bonds.U, ids[i]) end
  end
  settle_keys()
end
-- Most queues have never seen a retry or a verdict; then two EXISTS are all that they cost.
local past = redis.call('EXISTS', tries) == 1 and redis.call('HMGET', tries, unpack(ids)) or {}
local judged = redis.call('EXISTS', verdicts) == 1 and redis.call('HMGET', verdicts, unpack(ids)) or {}
for i = 1, #ids do
  local at = 4 * i
  reply[at + 1] = ids[i]
  reply[at + 2] = found[i]
  reply[at + 3] = past[i] or ''
  reply[at + 4] = judged[i] or ''
end
return reply
