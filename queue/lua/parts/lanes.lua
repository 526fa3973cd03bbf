-- Lanes: the jobs of one lane go one at a time, in order. `heads` has the one whose turn it is, wherever it is; the
-- others stand in `lanes`, as `LANE PLACE BAND RUN_AT ID`, all with score 0, so that they sort by lane and place.
-- Invariant: a lane without a head has nobody waiting.
-- KEYS due ready:high ready:normal ready:low lanes heads apart alone
-- By the digit of their band; suspects by the mark of how they run: `g` apart from the rest, together, `h` alone.
local READY = { ['0'] = high, ['1'] = normal, ['2'] = low, g = apart, h = alone }
-- The mark in the due set of a job that lets others of its lane pass while it waits for its time.
local PASSING = { ['0'] = 'a', ['1'] = 'b', ['2'] = 'c' }

local function in_lane(lane, bonds, band, run_at, id)
  return lane .. ' ' .. bond(bonds, 'S') .. ' ' .. band .. ' ' .. run_at .. ' ' .. id
end

local function set_out(id, band, run_at)
  if run_at > now then
    redis.call('ZADD', due, string.format('%.0f', run_at), band .. id)
  else
    redis.call('RPUSH', READY[band], id)
  end
end

-- It is this job's turn, or it waits for it.
local function enter_lane(lane, bonds, id, band, run_at)
  if redis.call('HSETNX', heads, lane, id) == 1 then
    set_out(id, band, run_at)
  else
    redis.call('ZADD', lanes, 0, in_lane(lane, bonds, band, string.format('%.0f', run_at), id))
  end
end

-- If it was this job's turn, it is the next one's now. Whether one set out.
local function leave_lane(lane, id)
  if redis.call('HGET', heads, lane) ~= id then return false end
  local first = redis.call('ZRANGEBYLEX', lanes, '[' .. lane .. ' ', '(' .. lane .. '!', 'LIMIT', 0, 1)[1]
  if not first then
    redis.call('HDEL', heads, lane)
    return false
  end
  redis.call('ZREM', lanes, first)
  local band, run_at, next_id = string.match(first, '^%S+ %d+ (%d) (%d+) (%S+)$')
  redis.call('HSET', heads, lane, next_id)
  set_out(next_id, band, tonumber(run_at))
  return true
end
