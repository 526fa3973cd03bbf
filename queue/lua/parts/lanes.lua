-- Lanes: the jobs of one lane go one at a time, in order. `turns` has, for each lane, the job whose turn it is, wherever
-- it is; `ends` the last place that was given. The others stand in `lanes`, under `LANE PLACE`: the digit of their band
-- and their id, or a letter for the band, their time, a space and their id. A place without a job was given up. Who let
-- others pass comes back into `returning`, as `LANE PLACE BAND ID`, before all others; while it is the turn of one who
-- came back, `fronts` has the place that was reached.
-- What changes is written at the end of a script, all at once: a job in a lane must not cost many calls.
-- Invariant: a lane without a turn has no end, and nobody waiting.
-- KEYS jobs due ready:high ready:normal ready:low turns ends fronts lanes returning apart alone
-- By the digit of their band; suspects by the mark of how they run: `g` apart from the rest, together, `h` alone.
local READY = { ['0'] = high, ['1'] = normal, ['2'] = low, g = apart, h = alone }
-- The letters that stand for a band where a digit does not say enough: in the due set, for a job that lets others of its
-- lane pass while it waits for its time.
local PASSING, BAND = { ['0'] = 'a', ['1'] = 'b', ['2'] = 'c' }, { a = '0', b = '1', c = '2' }

local out, later = { ['0'] = {}, ['1'] = {}, ['2'] = {}, g = {}, h = {} }, {}
local turn_of, end_of, places = {}, {}, {}
local turned, ended, waiting, given_up = {}, {}, {}, {}

local function set_out(id, band, run_at)
  if run_at > now then
    later[#later + 1] = written(run_at)
    later[#later + 1] = band .. id
  else
    local list = out[band]
    list[#list + 1] = id
  end
end

local function know(cache, key, some)
  if #some == 0 then return end
  local values = redis.call('HMGET', key, unpack(some))
  for i = 1, #some do cache[some[i]] = values[i] end
end

local function turn(lane)
  if turn_of[lane] == nil then know(turn_of, turns, { lane }) end
  return turn_of[lane]
end

local function last_place(lane)
  if end_of[lane] == nil then know(end_of, ends, { lane }) end
  return end_of[lane] and tonumber(end_of[lane])
end

local function give_turn(lane, id)
  turn_of[lane] = id
  turned[lane] = true
end

local function end_at(lane, place)
  end_of[lane] = place
  ended[lane] = true
end

-- Who stands there, and when it is due; nil where nobody does.
local function at_place(place)
  local value = places[place]
  if value == nil then
    value = redis.call('HGET', lanes, place)
    places[place] = value
  end
  if not value then return nil end
  local mark = string.sub(value, 1, 1)
  if not BAND[mark] then return string.sub(value, 2), mark, 0 end
  local run_at, id = string.match(value, '^.(%d+) (%S+)$')
  return id, BAND[mark], tonumber(run_at)
end

local function give_up(place)
  places[place] = false
  given_up[#given_up + 1] = place
end

-- A new job: it is its turn, or it gets the last place. Answers the place.
local function enter_lane(lane, id, band, run_at)
  local last = last_place(lane)
  local number = (last or 0) + 1
  if last then
    local place = lane .. ' ' .. number
    places[place] = run_at > now and PASSING[band] .. written(run_at) .. ' ' .. id or band .. id
    waiting[#waiting + 1] = place
  else
    give_turn(lane, id)
    set_out(id, band, run_at)
  end
  end_at(lane, number)
  return number
end

local function in_front(bonds, band, id) return bonds.L .. ' ' .. string.format('%016d', bonds.S) .. ' ' .. band .. ' ' .. id end

-- One that let others pass has its time now.
local function come_back(bonds, id, band)
  if last_place(bonds.L) then
    redis.call('ZADD', returning, 0, in_front(bonds, band, id))
  else
    give_turn(bonds.L, id)
    end_at(bonds.L, tonumber(bonds.S))
    set_out(id, band, 0)
  end
end

-- The place that a lane has reached: that of the job whose turn it is, if it never let others pass.
local some_fronts
local function front(lane, own_place)
  if some_fronts == nil then some_fronts = redis.call('EXISTS', fronts) == 1 end
  return tonumber(some_fronts and redis.call('HGET', fronts, lane) or own_place)
end

local function front_of(lane)
  local stored = turn(lane) and redis.call('HGET', jobs, turn(lane))
  local bonds = stored and bonds_of(stored)
  return front(lane, bonds and bonds.S or '0')
end

-- If it was this job's turn, it is the next one's now. Whether one set out.
local some_return
local function leave_lane(bonds, id)
  local lane = bonds.L
  if turn(lane) ~= id then return false end
  local reached = front(lane, bonds.S)
  if some_return == nil then some_return = redis.call('EXISTS', returning) == 1 end
  local first = some_return and redis.call('ZRANGEBYLEX', returning, '[' .. lane .. ' ', '(' .. lane .. '!', 'LIMIT', 0, 1)[1]
  if first then
    redis.call('ZREM', returning, first)
    redis.call('HSET', fronts, lane, reached)
    some_fronts = true
    local band, next_id = string.match(first, ' (%d) (%S+)$')
    give_turn(lane, next_id)
    set_out(next_id, band, 0)
    return true
  end
  if some_fronts then redis.call('HDEL', fronts, lane) end
  local place = not some_fronts and bonds.next_place
  repeat
    reached = reached + 1
    place = place or lane .. ' ' .. reached
    local next_id, band, run_at = at_place(place)
    if next_id then
      give_up(place)
      give_turn(lane, next_id)
      set_out(next_id, band, run_at)
      return true
    end
    place = nil
  until reached >= last_place(lane)
  give_turn(lane, false)
  end_at(lane, false)
  return false
end

-- Before several jobs leave their lanes: look once at who is next in each.
local function foresee(some)
  local lanes_here, next_places = {}, {}
  for i = 1, #some do
    lanes_here[i] = some[i].L
    next_places[i] = some[i].L .. ' ' .. some[i].S + 1
    some[i].next_place = next_places[i]
  end
  know(turn_of, turns, lanes_here)
  know(places, lanes, next_places)
end

-- A job that waited is no more there; if it was the last one, neither are the places before it that were given up.
local function leave_place(lane, number)
  give_up(lane .. ' ' .. number)
  if tonumber(number) ~= last_place(lane) then return end
  local last, reached = tonumber(number), front_of(lane)
  repeat last = last - 1 until last <= reached or at_place(lane .. ' ' .. last)
  end_at(lane, last)
end

-- Put back at its place, perhaps in another band.
local function stand(bonds, id, band, run_at)
  local place = bonds.L .. ' ' .. bonds.S
  places[place] = run_at > now and PASSING[band] .. written(run_at) .. ' ' .. id or band .. id
  redis.call('HSET', lanes, place, places[place])
  for i = #given_up, 1, -1 do if given_up[i] == place then table.remove(given_up, i) end end
  end_at(bonds.L, math.max(last_place(bonds.L), tonumber(bonds.S)))
end

local function write_turns(changed, cache, key)
  local kept, gone = {}, {}
  for lane in pairs(changed) do
    if cache[lane] then
      kept[#kept + 1] = lane
      kept[#kept + 1] = cache[lane]
    else
      gone[#gone + 1] = lane
    end
  end
  if #kept > 0 then redis.call('HSET', key, unpack(kept)) end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
end

-- Write what has changed.
local function settle()
  -- First what was left: another job may have been given the same place since.
  if #given_up > 0 then redis.call('HDEL', lanes, unpack(given_up)) end
  if #waiting > 0 then
    local still = {}
    for i = 1, #waiting do
      if places[waiting[i]] then
        still[#still + 1] = waiting[i]
        still[#still + 1] = places[waiting[i]]
      end
    end
    if #still > 0 then redis.call('HSET', lanes, unpack(still)) end
  end
  write_turns(turned, turn_of, turns)
  write_turns(ended, end_of, ends)
  for mark, list in pairs(out) do
    if #list > 0 then
      redis.call('RPUSH', READY[mark], unpack(list))
      out[mark] = {}
    end
  end
  if #later > 0 then redis.call('ZADD', due, unpack(later)) end
  later, turned, ended, waiting, given_up = {}, {}, {}, {}, {}
end
