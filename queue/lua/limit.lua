-- Let a job pass under all rules of one key, or under none: then tell it until when to wait, and keep its place.
-- KEYS[1] line (zset: id -> place)          KEYS[2] slots (zset: id -> until when it waits)
-- KEYS[3] late (zset: id -> place)          KEYS[4] state (hash)
-- KEYS[5] passes (list of times)            KEYS[6] holders (hash: id -> token)
-- KEYS[7] permits (zset: id -> deadline)
-- ARGV[1] job's id         ARGV[2] its claim's token   ARGV[3] now, ms, or "" for TIME
-- ARGV[4] a permit's lease, ms                         ARGV[5] a place is kept so long after its slot, ms
-- ARGV[6] and then remembered so long, ms              ARGV[7] between two slots, ms, where no rule says more
-- ARGV[8] longest line     ARGV[9] a day is over so much earlier, ms
-- ARGV[10] shortest, ARGV[11] longest wait for a permit, ms
-- then triples: "window", passes, ms | "bucket", burst, ms for each pass | "day", passes, limits of the days from
-- today on, ms | "concurrent", permits, ""
-- Returns {1, now}: passed; {0, now, until, jobs ahead}: wait; {2, now}: it is no longer the day that was meant.
-- A place is the first slot that a job was given. Cost: O(rules * log line + burst of a window's log / 100).
local line, slots, late, state, passes, holders, permits = unpack(KEYS)
local id, now = ARGV[1], tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local rules = {}
for i = 12, #ARGV, 3 do
  local rule = { kind = ARGV[i], n = tonumber(ARGV[i + 1]), ms = tonumber(ARGV[i + 2]), name = ARGV[i + 2] }
  if rule.kind == 'day' then
    rule.days = {}
    for bound in string.gmatch(ARGV[i + 2], '%d+') do rule.days[#rule.days + 1] = tonumber(bound) end
    if now < rule.days[1] or now >= rule.days[2] then return { 2, now } end
    rule.name = 'day:' .. string.format('%.0f', rule.days[1])
  end
  rules[#rules + 1] = rule
end

local function exact(number) return string.format('%.17g', number) end
local function below(number) return '(' .. exact(number) end
local function score(key, member) return tonumber(redis.call('ZSCORE', key, member)) end
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, math.ceil(ms)) end
end

local place = score(line, id) or score(late, id)
-- Redis lets a script go on over its memory limit once it wrote something that needs none. On a full Redis jobs have to
-- pass, or nothing would ever leave it.
redis.call('ZREM', late, id)
-- Who did not come back blocks nobody, but has its place again when it comes after all.
local gone = redis.call('ZRANGEBYSCORE', slots, '-inf', below(now - ARGV[5]), 'LIMIT', 0, 500)
if #gone > 0 then
  for i = 1, #gone do
    if gone[i] ~= id then redis.call('ZADD', late, exact(score(line, gone[i]) or now), gone[i]) end
  end
  redis.call('ZREM', line, unpack(gone))
  redis.call('ZREM', slots, unpack(gone))
  redis.call('ZREMRANGEBYSCORE', late, '-inf', exact(now - ARGV[5] - ARGV[6]))
  keep(late, ARGV[5] + ARGV[6])
end

local before = place and redis.call('ZCOUNT', line, '-inf', below(place))
-- The jobs that must find room up to a time: those with a place before ours, or with any if we have none.
local function ahead(time) return before or redis.call('ZCOUNT', slots, '-inf', below(time)) end
-- When the first in line may pass; whether we are somebody else; how far slots are apart, and if only a day limits.
local ready, refused, step, calm = now, false, 0, tonumber(ARGV[7])
local function wait(time)
  refused = true
  ready = math.max(ready, time)
end

local told = redis.call('HMGET', state, 'blocked', 'left', 'reset', 'hold', 'keep', 'span')
for i = 1, 6 do told[i] = tonumber(told[i]) end
local blocked, left, reset, hold = told[1] or 0, told[2] or 0, told[3] or 0, told[4] or 1000
if blocked > now then wait(blocked) end
if reset > now and left <= ahead(reset) then wait((left <= 0 or not place) and reset or now) end

local function newest(nth) return tonumber(redis.call('LINDEX', passes, -nth)) or -math.huge end
local allow = {}
function allow.window(rule)
  step = math.max(step, rule.ms / rule.n)
  local free = newest(rule.n) + rule.ms
  if free > now then
    wait(free)
  elseif not place then
    if ahead(now + rule.ms) > 0 then wait(now) end
  elseif before >= rule.n or newest(rule.n - before) + rule.ms > now then
    wait(now)
  end
end
function allow.bucket(rule)
  step = math.max(step, rule.ms)
  rule.full = tonumber(redis.call('HGET', state, 'bucket:' .. rule.name)) or 0
  local free = rule.full - (rule.n - 1) * rule.ms
  if free > now then
    wait(free)
  elseif not place then
    if ahead(now + rule.n * rule.ms) > 0 then wait(now) end
  elseif free + before * rule.ms > now then
    wait(now)
  end
end
function allow.day(rule)
  calm = math.min(calm, (rule.days[2] - rule.days[1]) / rule.n)
  rule.count = tonumber(redis.call('HGET', state, rule.name)) or 0
  local over = now >= rule.days[2] - ARGV[9] or rule.count >= rule.n
  if over or rule.count + ahead(rule.days[2]) >= rule.n then wait((over or not place) and rule.days[2] or now) end
end
function allow.concurrent(rule)
  local lapsed = redis.call('ZRANGEBYSCORE', permits, '-inf', exact(now), 'LIMIT', 0, 500)
  if #lapsed > 0 then
    redis.call('ZREM', permits, unpack(lapsed))
    redis.call('HDEL', holders, unpack(lapsed))
  end
  -- An estimate: how long one is held on average, for each place in line, shared by all permits.
  local pace = math.min(math.max(hold / rule.n, 10), 1000)
  step = math.max(step, pace)
  if redis.call('HEXISTS', holders, id) == 1 then return end
  if rule.n - redis.call('ZCARD', permits) <= ahead(now + hold) then
    wait(now + math.min(math.max(hold / rule.n, tonumber(ARGV[10])), tonumber(ARGV[11])))
  end
end
for i = 1, #rules do allow[rules[i].kind](rules[i]) end

local function note(field, value)
  -- Days and buckets that are over go when there are many fields.
  if redis.call('HSET', state, field, value) == 1 and redis.call('HLEN', state) > 64 then
    local all, old = redis.call('HGETALL', state), {}
    for i = 1, #all, 2 do
      local day = string.match(all[i], '^day:(%d+)$')
      local full = string.match(all[i], '^bucket:') and tonumber(all[i + 1])
      if (day and tonumber(day) < now - 172800000) or (full and full < now) then old[#old + 1] = all[i] end
    end
    if #old > 0 then redis.call('HDEL', state, unpack(old)) end
  end
end

local minute, hour = 60000, 3600000
if not refused then
  redis.call('ZREM', line, id)
  redis.call('ZREM', slots, id)
  local most, span, logged = told[5] or 0, told[6] or 0, false
  for i = 1, #rules do
    local rule = rules[i]
    if rule.kind == 'window' then
      most, span, logged = math.max(most, rule.n), math.max(span, rule.ms), true
    elseif rule.kind == 'bucket' then
      local full = math.max(rule.full, now) + rule.ms
      note('bucket:' .. rule.name, exact(full))
      keep(state, full - now + hour)
    elseif rule.kind == 'day' then
      note(rule.name, exact(rule.count + 1))
      keep(state, rule.days[2] - now + hour)
    else
      redis.call('HSET', holders, id, ARGV[2])
      redis.call('ZADD', permits, exact(now + ARGV[4]), id)
      keep(holders, ARGV[4] + minute)
      keep(permits, ARGV[4] + minute)
    end
  end
  if logged then
    -- The newest passes are all that any window has to know.
    redis.call('RPUSH', passes, now)
    redis.call('LTRIM', passes, -most, -1)
    if most ~= told[5] or span ~= told[6] then redis.call('HSET', state, 'keep', most, 'span', exact(span)) end
    keep(passes, span + minute)
    keep(state, span + hour)
  end
  if reset > now then redis.call('HINCRBY', state, 'left', -1) end
  return { 1, now }
end

if step == 0 then step = calm end
local slot
if place then
  slot = ready + before * step
  if before > 0 then slot = math.max(slot, now + 10) end
elseif redis.call('ZCARD', line) >= tonumber(ARGV[8]) then
  -- No place is kept for those behind the longest line, but they too come back one after the other.
  local last = tonumber(redis.call('ZRANGE', slots, -1, -1, 'WITHSCORES')[2] or now)
  slot = math.max(last, tonumber(redis.call('HGET', state, 'beyond')) or 0, ready) + step
  note('beyond', exact(slot))
  keep(state, slot - now + hour)
  return { 0, now, math.ceil(slot), redis.call('ZCARD', line) }
else
  local all = redis.call('ZCARD', slots)
  local function at(rank) return tonumber(redis.call('ZRANGE', slots, rank, rank, 'WITHSCORES')[2]) end
  -- The first time from then on that keeps its distance: behind the run of slots that begins there.
  local function free(from)
    local first = redis.call('ZCOUNT', slots, '-inf', below(from))
    if first > 0 then from = math.max(from, at(first - 1) + step) end
    local low, high = first, all -- the run ends between these ranks
    local function is_run(rank) return at(rank) - from < (rank - first + 1) * step end
    if high > low and is_run(high - 1) then low = high end
    while low < high do
      local middle = math.floor((low + high) / 2)
      if is_run(middle) then low = middle + 1 else high = middle end
    end
    return low == first and from or math.max(from, at(low - 1) + step)
  end
  -- Room there is now is somebody's who should be here already.
  local from, moved = ready > now and ready or now + step, true
  for _ = 1, 32 do
    moved, slot = false, free(from)
    for i = 1, #rules do
      local rule = rules[i]
      for day = 1, #(rule.days or {}) - 1 do
        local first, last = rule.days[day], rule.days[day + 1]
        if slot >= first and slot < last and not moved then
          local taken = redis.call('ZCOUNT', slots, day == 1 and '-inf' or first, below(last))
          if day == 1 then taken = taken + rule.count end
          if taken >= rule.n or slot >= last - ARGV[9] then from, moved = last, true end
        end
      end
    end
    if not moved then break end
  end
end
redis.call('ZADD', line, exact(place or slot), id)
redis.call('ZADD', slots, exact(slot), id)
local last = tonumber(redis.call('ZRANGE', slots, -1, -1, 'WITHSCORES')[2])
keep(line, last - now + ARGV[5] + hour)
keep(slots, last - now + ARGV[5] + hour)
return { 0, now, math.ceil(slot), ahead(slot) }
