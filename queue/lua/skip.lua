-- Let the others of a lane pass the one whose turn it is, while it waits for its time; then it is first again.
-- KEYS jobs held verdicts
-- PARTS clock stored nudge lanes
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] lane
-- Returns {what was done, the id of the head}: `skipped`, or why not: `running`, `ready` (it is about to run), or
-- `empty` (no such lane). Cost: O(log waiting).
local lane = ARGV[2]
local id = turn(lane)
if not id then return { 'empty', '' } end
local stored = redis.call('HGET', jobs, id)
if stored then
  if redis.call('HEXISTS', held, id) == 1 then return { 'running', id } end
  local band, found = band_of(stored), nil
  for _, mark in ipairs({ band, 'g', 'h' }) do
    local at = redis.call('ZSCORE', due, mark .. id)
    if at then
      redis.call('ZREM', due, mark .. id)
      redis.call('ZADD', due, at, PASSING[band] .. id)
      found = true
      break
    end
  end
  if not found then return { 'ready', id } end
end
local handed_on = leave_lane(stored and bonds_of(stored) or { L = lane, S = '0' }, id)
settle()
if handed_on then nudge() end
return { 'skipped', id }
