-- Move what is due, then lease the next jobs to one worker under one token, in one step.
-- KEYS[1] jobs (hash)      KEYS[2] tries (hash)        KEYS[3] verdicts (hash)    KEYS[4] held (hash: id -> token)
-- KEYS[5] claims (hash: token -> time and ids)         KEYS[6] leases (zset: token -> deadline)
-- KEYS[7] due (zset)       KEYS[8] departing (list)    KEYS[9] inbox (list)       KEYS[10] admitter (string)
-- KEYS[11] idle (string)   KEYS[12] paused (string)    KEYS[13] counters (hash)   KEYS[14..16] ready: high, normal, low
-- ARGV[1] a fresh token    ARGV[2] lease, ms           ARGV[3] how many           ARGV[4] byte budget
-- ARGV[5] every so many claims start from the lowest band                          ARGV[6] now, ms, or "" for TIME
-- ARGV[7] after this time, ms, nobody waits for the answer any more: then nothing is claimed; or ""
-- Returns {now, next due or 0, inbox length, paused 0|1, (id, stored, tries or "", verdict or "")*}.
-- An id whose envelope is gone was cancelled: it is passed over. Cost: O(claimed + promoted).
local now = tonumber(ARGV[6])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- A call that lay in a socket while Redis stood still must not take jobs for a worker that has given it up.
if ARGV[7] ~= '' and now > tonumber(ARGV[7]) then return { now, 0, 0, 0 } end
-- Redis lets a script go on over its memory limit once it wrote something that needs none: claiming must work then.
redis.call('HDEL', KEYS[5], ARGV[1])
-- The wake-up line has done its work; nobody who looked before may be made to count it.
if redis.call('LINDEX', KEYS[9], 0) == '' and redis.call('EXISTS', KEYS[10]) == 0 then redis.call('LPOP', KEYS[9]) end

local paused = redis.call('EXISTS', KEYS[12])
local most, budget = tonumber(ARGV[3]), tonumber(ARGV[4])
local ids, found, bytes = {}, {}, 0

local function take(key)
  while #ids < most and bytes < budget do
    local part = redis.call('LPOP', key, math.min(100, most - #ids))
    if not part then return end
    local stored = redis.call('HMGET', KEYS[1], unpack(part))
    for i = 1, #part do
      if stored[i] then
        ids[#ids + 1] = part[i]
        found[#found + 1] = stored[i]
        bytes = bytes + #stored[i]
      end
    end
  end
end

take(KEYS[8])
if paused == 0 then
  local due = redis.call('ZRANGEBYSCORE', KEYS[7], '-inf', now, 'LIMIT', 0, 500)
  if #due > 0 then
    redis.call('ZREM', KEYS[7], unpack(due))
    local bands = { {}, {}, {} }
    for i = 1, #due do
      local list = bands[tonumber(string.sub(due[i], 1, 1)) + 1]
      list[#list + 1] = string.sub(due[i], 2)
    end
    for band = 1, 3 do
      if #bands[band] > 0 then redis.call('RPUSH', KEYS[13 + band], unpack(bands[band])) end
    end
  end
  -- Strict bands, but every so often the lowest goes first: nothing starves.
  if redis.call('HINCRBY', KEYS[13], 'claims', 1) % tonumber(ARGV[5]) == 0 then
    take(KEYS[16]) take(KEYS[15]) take(KEYS[14])
  else
    take(KEYS[14]) take(KEYS[15]) take(KEYS[16])
  end
end

local waiting = redis.call('LLEN', KEYS[9])
local first = redis.call('ZRANGE', KEYS[7], 0, 0, 'WITHSCORES')
local reply = { now, tonumber(first[2] or '0'), waiting, paused }
if #ids == 0 then
  -- Whoever brings work next will wake us: see the end of enqueue, admit and park.
  if waiting == 0 then redis.call('SET', KEYS[11], 1) end
  return reply
end

local held = {}
for i = 1, #ids do
  held[2 * i - 1] = ids[i]
  held[2 * i] = ARGV[1]
end
redis.call('HSET', KEYS[4], unpack(held))
redis.call('HSET', KEYS[5], ARGV[1], now .. ' ' .. table.concat(ids, ' '))
redis.call('ZADD', KEYS[6], now + tonumber(ARGV[2]), ARGV[1])
-- Most queues have never seen a retry or a verdict; then two EXISTS are all that they cost.
local tries = redis.call('EXISTS', KEYS[2]) == 1 and redis.call('HMGET', KEYS[2], unpack(ids)) or {}
local verdicts = redis.call('EXISTS', KEYS[3]) == 1 and redis.call('HMGET', KEYS[3], unpack(ids)) or {}
for i = 1, #ids do
  local at = 4 * i
  reply[at + 1] = ids[i]
  reply[at + 2] = found[i]
  reply[at + 3] = tries[i] or ''
  reply[at + 4] = verdicts[i] or ''
end
return reply
