-- Taking a job out of where it waits. It is not searched for in the long lists of ready ids: a ghost is left there,
-- `BAND ID` in `ghosts` with their number, which the next claim passes over; a band's digit alone counts its ghosts.
-- KEYS held verdicts departing expiring ghosts tries
-- Where it was, when it was due, and what it takes to put it back: `waiting` in its lane (its place), `scheduled` (its
-- mark), `suspect` (its list) or `ready` (the `head` or `tail` of its band, or a ghost was left). What is `running` or `departing` is left where it is.
-- What other jobs of the same script wait to be written must be settled before.
local function take_out(id, stored)
  if redis.call('HEXISTS', held, id) == 1 then return 'running', 0 end
  if redis.call('HEXISTS', verdicts, id) == 1 then return 'departing', 0 end
  local band, bonds = band_of(stored), bonds_of(stored)
  if bonds and bonds.L then
    local place = bonds.L .. ' ' .. bonds.S
    local there, _, run_at = at_place(place)
    if there == id then
      leave_place(bonds.L, bonds.S)
      return 'waiting', run_at, place
    end
    if redis.call('ZREM', returning, in_front(bonds, band, id)) == 1 then return 'waiting', 0 end
  end
  for _, mark in ipairs({ band, PASSING[band], 'g', 'h' }) do
    local at = redis.call('ZSCORE', due, mark .. id)
    if at then
      redis.call('ZREM', due, mark .. id)
      return 'scheduled', tonumber(at), mark
    end
  end
  -- Suspects were claimed before, and are few.
  if redis.call('HEXISTS', tries, id) == 1 then
    for _, list in ipairs({ apart, alone }) do
      if redis.call('LREM', list, 1, id) == 1 then return 'suspect', 0, list end
    end
  end
  -- At an end it is taken at once: what is replaced came last, and what expires waited longest.
  local list = READY[band]
  if redis.call('LINDEX', list, -1) == id then
    redis.call('RPOP', list)
    return 'ready', 0, 'tail'
  elseif redis.call('LINDEX', list, 0) == id then
    redis.call('LPOP', list)
    return 'ready', 0, 'head'
  end
  redis.call('HINCRBY', ghosts, band .. id, 1)
  redis.call('HINCRBY', ghosts, band, 1)
  return 'ready', 0
end

-- What ties a job to others ends: the lane goes on, the key is free.
local function let_go(id, bonds)
  local handed_on = bonds.L and leave_lane(bonds, id)
  if bonds.U then disown(bonds.U, id) end
  if bonds.E then redis.call('ZREM', expiring, id) end
  return handed_on
end

-- A waiting job ends without a run: it departs, to be recorded with this verdict. Where it was, and when it was due.
local function condemn(id, stored, verdict)
  local place, at = take_out(id, stored)
  if place ~= 'running' and place ~= 'departing' then
    redis.call('HSET', verdicts, id, verdict)
    redis.call('RPUSH', departing, id)
    local bonds = bonds_of(stored)
    if bonds then let_go(id, bonds) end
    -- The next one may be taken out too.
    settle()
  end
  return place, at
end
