-- Unique keys: `uniques` has, for each key, `MODE UNTIL ID`. The mode: `q` while it is queued, `d` until it is done,
-- `t` until a time, whatever becomes of the job; those are also in `lapsing`, by that time.
-- KEYS uniques lapsing
local key_of, taken, freed = {}, {}, {}

local function know_keys(some)
  if #some == 0 then return end
  local values = redis.call('HMGET', uniques, unpack(some))
  for i = 1, #some do key_of[some[i]] = values[i] end
end

local function free(key)
  key_of[key] = false
  freed[#freed + 1] = key
end

local function owner(key)
  if key_of[key] == nil then know_keys({ key }) end
  if not key_of[key] then return nil end
  local mode, until_ms, id = string.match(key_of[key], '^(%a) (%d+) (%S+)$')
  if mode == 't' and tonumber(until_ms) <= now then
    free(key)
    redis.call('ZREM', lapsing, key)
    return nil
  end
  return id
end

local function own(unique, bonds, id)
  local mode, key, until_ms = string.sub(unique, 1, 1), string.sub(unique, 2), '0'
  if mode == 't' then
    until_ms = written(now + tonumber(bonds.F))
    redis.call('ZADD', lapsing, until_ms, key)
  end
  key_of[key] = mode .. ' ' .. until_ms .. ' ' .. id
  taken[#taken + 1] = key
end

-- A key that is held for a time is not freed before.
local function disown(unique, id)
  local mode, key = string.sub(unique, 1, 1), string.sub(unique, 2)
  if key_of[key] == nil then know_keys({ key }) end
  if mode ~= 't' and key_of[key] == mode .. ' 0 ' .. id then free(key) end
end

-- Write what has changed.
local function settle_keys()
  if #freed > 0 then redis.call('HDEL', uniques, unpack(freed)) end
  local pairs_of = {}
  for i = 1, #taken do
    if key_of[taken[i]] then
      pairs_of[#pairs_of + 1] = taken[i]
      pairs_of[#pairs_of + 1] = key_of[taken[i]]
    end
  end
  if #pairs_of > 0 then redis.call('HSET', uniques, unpack(pairs_of)) end
  taken, freed = {}, {}
end
