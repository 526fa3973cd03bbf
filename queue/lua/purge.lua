-- Take back some of all that waits in a queue: it departs, to be recorded as cancelled. Call it until it answers 0.
-- KEYS jobs
-- PARTS clock stored nudge lanes uniques taking_out ghosts
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] who and why    ARGV[3] how many at most
-- Returns how many it was. Cost: O(how many).
local most, found = tonumber(ARGV[3]), {}

-- What stands in a list is taken out of it here; what stands elsewhere is found there.
local function from_list(key, band)
  while #found < most do
    local part = redis.call('LPOP', key, math.min(100, most - #found))
    if not part then return end
    for i = 1, #part do
      if not (band and is_ghost(band, part[i])) then found[#found + 1] = { part[i], true } end
    end
  end
end

from_list(high, '0') from_list(normal, '1') from_list(low, '2') from_list(apart) from_list(alone)
if #found < most then
  for _, member in ipairs(redis.call('ZRANGE', due, 0, most - #found - 1)) do found[#found + 1] = { string.sub(member, 2) } end
end
if #found < most then
  for _, member in ipairs(redis.call('ZRANGE', returning, 0, most - #found - 1)) do
    found[#found + 1] = { string.match(member, '(%S+)$') }
  end
end
if #found < most then
  -- The scan may answer with more than it was asked for.
  local some = redis.call('HRANDFIELD', lanes, most - #found, 'WITHVALUES')
  for i = 1, #some, 2 do
    places[some[i]] = some[i + 1]
    found[#found + 1] = { (at_place(some[i])) }
  end
end
local gone = 0
for i = 1, #found do
  local id = found[i][1]
  local stored = redis.call('HGET', jobs, id)
  if stored and found[i][2] then
    redis.call('HSET', verdicts, id, 'cancelled ' .. ARGV[2])
    redis.call('RPUSH', departing, id)
    local bonds = bonds_of(stored)
    if bonds then let_go(id, bonds) end
    settle()
    gone = gone + 1
  elseif stored then
    -- One of a lane may have set out since, when the one before it was taken.
    local where = condemn(id, stored, 'cancelled ' .. ARGV[2])
    if where ~= 'running' and where ~= 'departing' then gone = gone + 1 end
  end
end
settle()
settle_keys()
if gone > 0 then nudge() end
return gone
