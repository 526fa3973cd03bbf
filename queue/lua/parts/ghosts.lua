-- Whether this entry of a ready list is one that was taken out of it: then it counts no more.
-- KEYS ghosts
local function is_ghost(band, id)
  local count = redis.call('HGET', ghosts, band .. id)
  if not count then return false end
  if tonumber(count) > 1 then
    redis.call('HINCRBY', ghosts, band .. id, -1)
  else
    redis.call('HDEL', ghosts, band .. id)
  end
  if redis.call('HINCRBY', ghosts, band, -1) == 0 then redis.call('HDEL', ghosts, band) end
  return true
end
