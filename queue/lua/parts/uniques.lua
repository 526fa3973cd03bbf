-- Unique keys: `uniques` has, for each key, `MODE UNTIL ID`. The mode: `q` while it is queued, `d` until it is done,
-- `t` until a time, whatever becomes of the job; those are also in `lapsing`, by that time.
-- KEYS uniques lapsing
local function owner(key)
  local value = redis.call('HGET', uniques, key)
  if not value then return nil end
  local mode, until_ms, id = string.match(value, '^(%a) (%d+) (%S+)$')
  if mode == 't' and tonumber(until_ms) <= now then
    redis.call('HDEL', uniques, key)
    redis.call('ZREM', lapsing, key)
    return nil
  end
  return id, mode
end

local function own(unique, bonds, id)
  local mode, key, until_ms = string.sub(unique, 1, 1), string.sub(unique, 2), 0
  if mode == 't' then
    until_ms = now + tonumber(bond(bonds, 'F'))
    redis.call('ZADD', lapsing, until_ms, key)
  end
  redis.call('HSET', uniques, key, mode .. ' ' .. string.format('%.0f', until_ms) .. ' ' .. id)
end

local function disown(unique, id)
  local key = string.sub(unique, 2)
  local other, mode = owner(key)
  if other == id and mode ~= 't' then redis.call('HDEL', uniques, key) end
end
