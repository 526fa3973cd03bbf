-- Putting judged jobs into the queue. Items are sextuples in a flat list: kind (`+` its host gave the id, `-` we did),
-- id, band, run_at or 0, bonds or "", envelope; other kinds are passed over.
-- Bonds here: L its lane, P it lets others pass, U its unique key, F for so many ms, O on a conflict (`m` replace and
-- move the due time, `k` replace and keep it), E when it expires, B its batch. The place in the lane, S, is given here.
-- KEYS jobs recent counters held verdicts batches expiring
local stored_jobs, expire = {}, {}

-- With bonds, on its way to its place. Nothing is judged any more.
local function place(kind, id, band, run_at, words, bonds, text)
  if bonds.L then
    local number
    if run_at > now and bonds.P then
      number = (last_place(bonds.L) or 0) + 1
      later[#later + 1] = written(run_at)
      later[#later + 1] = PASSING[band] .. id
    else
      number = enter_lane(bonds.L, id, band, run_at)
    end
    words = words .. ' S' .. number
  else
    set_out(id, band, run_at)
  end
  if bonds.U then own(bonds.U, bonds, id) end
  if bonds.E then
    expire[#expire + 1] = bonds.E
    expire[#expire + 1] = id
  end
  stored_jobs[#stored_jobs + 1] = id
  stored_jobs[#stored_jobs + 1] = string.format('%013.0f', now) .. band .. (kind == '+' and '#' or '=') .. words .. '\n' .. text
end

local function settle_all()
  if #stored_jobs > 0 then redis.call('HSET', jobs, unpack(stored_jobs)) end
  if #expire > 0 then redis.call('ZADD', expiring, unpack(expire)) end
  stored_jobs, expire = {}, {}
  settle()
  settle_keys()
end

local is_open = {}
-- A job with bonds: placed, or the answer why it was not.
local function tie(kind, id, band, run_at, words, bonds, text, max_lane)
  local lane, unique, batch = bonds.L, bonds.U, bonds.B
  if batch then
    if is_open[batch] == nil then is_open[batch] = redis.call('HEXISTS', batches, batch .. ' opened') == 1 end
    if not is_open[batch] then
      return 'rejected batch: no batch `' .. batch .. '` is open in this queue; open it before its jobs are sent'
    end
  end
  local other = unique and owner(string.sub(unique, 2))
  -- Its own key, from an earlier life, is no hindrance.
  if other and other ~= id then
    if not bonds.O then return 'duplicate ' .. other end
    settle_all() -- the other one may be of this call
    local theirs = redis.call('HGET', jobs, other)
    -- The key of a job that has left stays taken until its time.
    if not theirs then return 'duplicate ' .. other end
    local where, due_at = condemn(other, theirs, 'replaced by ' .. id)
    if where == 'running' or where == 'departing' then return 'duplicate ' .. other end
    if bonds.O == 'k' and due_at > now then run_at = due_at end
  elseif lane then
    -- As many as have come since it was empty is the most that there can be.
    local last = last_place(lane) or 0
    if last >= max_lane then
      settle_all() -- the one whose turn it is may be of this call
      last = last - front_of(lane)
    end
    if last >= max_lane then
      return 'rejected lane: ' .. max_lane .. ' jobs wait in `' .. lane .. '` already; send it again later, or raise [queues] max_lane_depth'
    end
  end
  place(kind, id, band, run_at, words, bonds, text)
end

-- The answers by position, for those that were not put: `duplicate ID` or `rejected REASON`. Then how many were put,
-- and how many were duplicates.
local function put(list, first, max_lane)
  local answers, ids, given, known, put_in, duplicates = {}, {}, {}, {}, 0, 0
  local ties, lanes_here, keys_here = {}, {}, {}
  for i = first, #list, 6 do
    local kind = list[i]
    if kind == '+' or kind == '-' then
      ids[#ids + 1] = list[i + 1]
      if kind == '+' then given[#given + 1] = list[i + 1] end
      if list[i + 4] ~= '' then
        local bonds = by_letter(list[i + 4])
        ties[i] = bonds
        if bonds.L then lanes_here[#lanes_here + 1] = bonds.L end
        if bonds.U then keys_here[#keys_here + 1] = string.sub(bonds.U, 2) end
      end
    end
  end
  if #ids == 0 then return answers, 0, 0 end
  local there = redis.call('HMGET', jobs, unpack(ids))
  for i = 1, #ids do if there[i] then known[ids[i]] = true end end
  if #given > 0 then
    local until_ms = redis.call('ZMSCORE', recent, unpack(given))
    for i = 1, #given do if until_ms[i] and tonumber(until_ms[i]) > now then known[given[i]] = true end end
  end
  know(end_of, ends, lanes_here)
  know_keys(keys_here)
  local stamp = string.format('%013.0f', now)
  for i = first, #list, 6 do
    local kind, id = list[i], list[i + 1]
    if kind == '+' or kind == '-' then
      local answer
      if known[id] then
        answer = 'duplicate ' .. id
      elseif ties[i] then
        answer = tie(kind, id, list[i + 2], tonumber(list[i + 3]), list[i + 4], ties[i], list[i + 5], max_lane)
      else
        local band, run_at = list[i + 2], tonumber(list[i + 3])
        stored_jobs[#stored_jobs + 1] = id
        stored_jobs[#stored_jobs + 1] = stamp .. band .. kind .. list[i + 5]
        if run_at > now then
          later[#later + 1] = list[i + 3]
          later[#later + 1] = band .. id
        else
          local ready = out[band]
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
  settle_all()
  if put_in > 0 then
    redis.call('HINCRBY', counters, 'enqueued', put_in)
    nudge()
  end
  if duplicates > 0 then redis.call('HINCRBY', counters, 'duplicates', duplicates) end
  return answers, put_in, duplicates
end
