-- Let a waiting job go sooner: at once, from the head of its band; or from another band.
-- KEYS jobs tries
-- PARTS clock stored nudge lanes uniques taking_out ghosts
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] id    ARGV[3] `now`, or the digit of a band
-- Returns what was done: `moved`, or why nothing was: `running`, `departing`, `waiting` (its lane is busy), `suspect`
-- (it waits to run apart) or `unknown`. Cost: O(log waiting); for a ready one at once, O(its band).
local id, to = ARGV[2], ARGV[3]
local stored = redis.call('HGET', jobs, id)
if not stored then return 'unknown' end
local place, at, from = take_out(id, stored)
if place == 'running' or place == 'departing' then return place end
local band, bonds = band_of(stored), bonds_of(stored)
if to ~= 'now' then
  redis.call('HSET', jobs, id, string.sub(stored, 1, 13) .. to .. string.sub(stored, 15))
end
if place == 'suspect' then
  redis.call('LPUSH', from, id)
  return 'suspect'
elseif place == 'waiting' then
  if to == 'now' then to = band end
  if from then
    stand(bonds, id, to, at)
  else
    redis.call('ZADD', returning, 0, in_front(bonds, to, id))
  end
  settle()
  return ARGV[3] == 'now' and 'waiting' or 'moved'
elseif to ~= 'now' then
  if place == 'ready' and to == band then
    -- It stays where it is.
    if from == 'head' then
      redis.call('LPUSH', READY[band], id)
    elseif from == 'tail' then
      redis.call('RPUSH', READY[band], id)
    else
      is_ghost(band, id)
    end
  elseif place == 'ready' then
    redis.call('RPUSH', READY[to], id)
  else
    local mark = (from == 'g' or from == 'h') and from or from == band and to or PASSING[to]
    redis.call('ZADD', due, written(at), mark .. id)
  end
else
  -- A time that its last run promised holds no more.
  local past = redis.call('HGET', tries, id)
  if past then redis.call('HSET', tries, id, string.match(past, '^%d+ %d+ %d+') .. ' now') end
  -- At the head the job itself would be taken for a ghost of its own, so here these are searched for after all.
  if redis.call('HEXISTS', ghosts, band .. id) == 1 then
    for _ = 1, redis.call('LREM', READY[band], 0, id) do is_ghost(band, id) end
  end
  if from == PASSING[band] then
    come_back(bonds, id, band)
    settle()
  else
    redis.call('LPUSH', READY[place == 'scheduled' and from or band], id)
  end
end
nudge()
return 'moved'
