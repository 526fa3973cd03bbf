-- Putting judged jobs into the queue. Items are sextuples in a flat list: kind (`+` its host gave the id, `-` we did),
-- id, band, run_at or 0, bonds or "", envelope; other kinds are passed over.
-- Bonds here: L its lane, P it lets others pass, U its unique key, F for so many ms, O on a conflict (`m` replace and
-- move the due time, `k` replace and keep it), E when it expires, B its batch. The place in the lane, S, is given here.
-- KEYS jobs recent counters held verdicts batches expiring

-- With bonds, as it stands in `jobs`; then to its place. Nothing is judged any more.
local function place(kind, id, band, run_at, bonds, text)
  local lane, unique, expires_at = bond(bonds, 'L'), bond(bonds, 'U'), bond(bonds, 'E')
  -- A time that has passed is none: in its lane the job is looked for under the one that its bonds tell.
  if run_at <= now then run_at = 0 end
  if lane then
    bonds = bonds .. ' S' .. string.format('%016d', redis.call('HINCRBY', counters, 'lane_places', 1))
    if run_at > now then bonds = bonds .. ' A' .. string.format('%.0f', run_at) end
  end
  redis.call('HSET', jobs, id, string.format('%013.0f', now) .. band .. (kind == '+' and '#' or '=') .. string.sub(bonds, 2) .. '\n' .. text)
  if unique then own(unique, bonds, id) end
  if expires_at then redis.call('ZADD', expiring, expires_at, id) end
  if not lane then
    set_out(id, band, run_at)
  elseif run_at > now and bond(bonds, 'P') then
    redis.call('ZADD', due, string.format('%.0f', run_at), PASSING[band] .. id)
  else
    enter_lane(lane, bonds, id, band, run_at)
  end
end

-- A job with bonds: placed, or the answer why it was not.
local function tie(kind, id, band, run_at, bonds, text, max_lane)
  local lane, unique, batch = bond(bonds, 'L'), bond(bonds, 'U'), bond(bonds, 'B')
  if batch and redis.call('HEXISTS', batches, batch .. ' opened') == 0 then
    return 'rejected batch: no batch `' .. batch .. '` is open in this queue; open it before its jobs are sent'
  end
  local other = unique and owner(string.sub(unique, 2))
  local theirs = other and redis.call('HGET', jobs, other)
  if other then
    local conflict = bond(bonds, 'O')
    -- The key of a job that has left stays taken until its time.
    if not conflict or not theirs then return 'duplicate ' .. other end
    if redis.call('HEXISTS', held, other) == 1 or redis.call('HEXISTS', verdicts, other) == 1 then return 'duplicate ' .. other end
  elseif lane and redis.call('ZLEXCOUNT', lanes, '[' .. lane .. ' ', '(' .. lane .. '!') >= max_lane then
    return 'rejected lane: ' .. max_lane .. ' jobs wait in `' .. lane .. '` already; send it again later, or raise [queues] max_lane_depth'
  end
  if other then
    local _, due_at = condemn(other, theirs, 'replaced by ' .. id)
    if bond(bonds, 'O') == 'k' and due_at > now then run_at = due_at end
  end
  place(kind, id, band, run_at, bonds, text)
end

-- The answers by position, for those that were not put: `duplicate ID` or `rejected REASON`. Then how many were put,
-- and how many were duplicates.
local function put(list, first, max_lane)
  local answers, ids, given, known, put_in, duplicates = {}, {}, {}, {}, 0, 0
  for i = first, #list, 6 do
    local kind = list[i]
    if kind == '+' or kind == '-' then
      ids[#ids + 1] = list[i + 1]
      if kind == '+' then given[#given + 1] = list[i + 1] end
    end
  end
  if #ids == 0 then return answers, 0, 0 end
  local there = redis.call('HMGET', jobs, unpack(ids))
  for i = 1, #ids do if there[i] then known[ids[i]] = true end end
  if #given > 0 then
    local until_ms = redis.call('ZMSCORE', recent, unpack(given))
    for i = 1, #given do if until_ms[i] and tonumber(until_ms[i]) > now then known[given[i]] = true end end
  end

  local plain, bands, later = {}, { ['0'] = {}, ['1'] = {}, ['2'] = {} }, {}
  local function flush()
    if #plain == 0 then return end
    redis.call('HSET', jobs, unpack(plain))
    for band, list_of_ids in pairs(bands) do
      if #list_of_ids > 0 then redis.call('RPUSH', READY[band], unpack(list_of_ids)) end
    end
    if #later > 0 then redis.call('ZADD', due, unpack(later)) end
    plain, bands, later = {}, { ['0'] = {}, ['1'] = {}, ['2'] = {} }, {}
  end

  local stamp = string.format('%013.0f', now)
  for i = first, #list, 6 do
    local kind, id = list[i], list[i + 1]
    if kind == '+' or kind == '-' then
      local answer
      if known[id] then
        answer = 'duplicate ' .. id
      elseif list[i + 4] ~= '' then
        flush() -- in the order of the items
        answer = tie(kind, id, list[i + 2], tonumber(list[i + 3]), ' ' .. list[i + 4], list[i + 5], max_lane)
      else
        local band, run_at = list[i + 2], tonumber(list[i + 3])
        plain[#plain + 1] = id
        plain[#plain + 1] = stamp .. band .. kind .. list[i + 5]
        if run_at > now then
          later[#later + 1] = list[i + 3]
          later[#later + 1] = band .. id
        else
          local ready = bands[band]
          ready[#ready + 1] = id
        end
      end
      if answer then
        answers[(i - first) / 6 + 1] = answer
        if string.sub(answer, 1, 1) == 'd' then duplicates = duplicates + 1 end
      else
        known[id] = true
        put_in = put_in + 1
      end
    end
  end
  flush()
  if put_in > 0 then
    redis.call('HINCRBY', counters, 'enqueued', put_in)
    nudge()
  end
  if duplicates > 0 then redis.call('HINCRBY', counters, 'duplicates', duplicates) end
  return answers, put_in, duplicates
end
