-- Judge envelopes and put the good ones into the queue, with an answer for each, in one step: the scripted door.
-- KEYS[1] jobs (hash)      KEYS[2] due (zset)          KEYS[3..5] ready: high, normal, low (lists)
-- KEYS[6] recent (zset)    KEYS[7] idle (string)       KEYS[8] inbox (list)     KEYS[9] counters (hash)
-- ARGV[1] queue name       ARGV[2] args limit, bytes   ARGV[3] now, ms, or "" for Redis TIME
-- ARGV[4..] pairs: an id to use if the envelope has none, the envelope (JSON). At most 1000 pairs.
-- Returns one line per pair: `queued ID`, `duplicate ID` or `rejected REASON`. Cost: O(pairs).
local ID, BANDS = '^[%w_.:@/+=~%-]+$', { high = 0, normal = 1, low = 2 }
local FIELDS = { 'job', 'id', 'queue', 'priority', 'run_at', 'expires_at', 'max_attempts', 'timeout_ms', 'trace', 'reply', 'lane', 'unique' }
local max_args, max_envelope = tonumber(ARGV[2]), tonumber(ARGV[2]) + 4096
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- Deeper JSON is refused by the parser, before anything recurses into it.
cjson.decode_max_depth(64)

local function days(y, m, d) -- since the epoch, for the Gregorian calendar
  if m <= 2 then y, m = y - 1, m + 12 end
  return 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400) + math.floor((153 * (m - 3) + 2) / 5) + d - 719469
end

local LENGTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
local function millis(value)
  if type(value) == 'number' then return value % 1 == 0 and value or nil end
  if type(value) ~= 'string' then return nil end
  local y, mo, d, h, mi, s, rest = string.match(value, '^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)(.*)$')
  if not y then return nil end
  local fraction, zone = string.match(rest, '^%.(%d+)(.+)$')
  zone = zone or rest
  local sign, zh, zm = string.match(zone, '^([+-])(%d%d):(%d%d)$')
  if not sign and zone ~= 'Z' and zone ~= 'z' then return nil end
  y, mo, d, h, mi, s = tonumber(y), tonumber(mo), tonumber(d), tonumber(h), tonumber(mi), tonumber(s)
  local length = LENGTHS[mo] or 0
  if mo == 2 and (y % 4 == 0 and (y % 100 ~= 0 or y % 400 == 0)) then length = 29 end
  if d < 1 or d > length or h > 23 or mi > 59 or s > 59 then return nil end
  local offset = 0
  if sign then
    if tonumber(zh) > 23 or tonumber(zm) > 59 then return nil end
    offset = (tonumber(zh) * 60 + tonumber(zm)) * (sign == '+' and 1 or -1)
  end
  local thousandths = fraction and tonumber(string.sub(fraction .. '00', 1, 3)) or 0
  return ((days(y, mo, d) * 24 + h) * 60 + mi - offset) * 60000 + s * 1000 + thousandths
end

local function show(value)
  if type(value) == 'table' then return 'what was sent' end
  return string.sub(string.gsub(tostring(value), '%c', '.'), 1, 40)
end

local function number(field, value, max)
  if type(value) == 'number' and value % 1 == 0 and value >= 1 and value <= max then return nil end
  return field .. ': ' .. show(value) .. ' is not a whole number from 1 to ' .. max
end

local function name(field, value, pattern, max)
  if type(value) ~= 'string' then return field .. ': ' .. show(value) .. ' is not a string; put it in quotes' end
  if #value > max then return field .. ': ' .. #value .. ' bytes long, ' .. (#value - max) .. ' more than the ' .. max .. ' allowed' end
  if not string.find(value, pattern) then return field .. ': empty or with a character that is not allowed; use letters, digits and _ . -' end
end

local function time(field, value)
  local at = millis(value)
  if at and at >= 0 and at <= 253402300799999 then return at end
  return nil, field .. ': ' .. show(value) .. ' is not a time; send RFC 3339 ("2030-01-31T08:00:00Z") or whole milliseconds since the epoch'
end

-- The reason against an envelope; or nil, its id, band and due time.
local function judge(text)
  if #text > max_envelope then
    return 'the envelope has ' .. #text .. ' bytes, ' .. (#text - max_envelope) .. ' more than the ' .. max_envelope .. ' allowed; send a reference to the data instead'
  end
  local ok, e = pcall(cjson.decode, text)
  if not ok then return 'not accepted: ' .. string.sub(string.gsub(tostring(e), '^.-:%d+: ', ''), 1, 120) .. '; send one JSON object, nested at most 64 deep' end
  if type(e) ~= 'table' or not string.find(text, '^%s*{') then return 'not a JSON object; send one object such as {"job": "noop"}' end
  if string.find(text, 'null', 1, true) then -- as good as absent; looked for only where one may be
    for i = 1, #FIELDS do
      if e[FIELDS[i]] == cjson.null then e[FIELDS[i]] = nil end
    end
  end
  if e.job == nil then return 'job: missing; name the job to run, such as "noop"' end
  if e.lane ~= nil then return 'lane: not available in this release; leave it out' end
  if e.unique ~= nil then return 'unique: not available in this release; leave it out' end
  -- Only an envelope longer than the limit can hold arguments longer than it; then they are measured, roughly.
  if #text > max_args and type(e.args) == 'string' and #e.args + 2 > max_args then
    return 'args: more than the ' .. max_args .. ' bytes allowed; send a reference to the data instead'
  end
  local wrong = name('job', e.job, '^[%w_.%-]+$', 100)
  if not wrong and e.id ~= nil then wrong = name('id', e.id, ID, 128) end
  if not wrong and e.queue ~= nil then
    wrong = name('queue', e.queue, '^[a-z0-9][a-z0-9_.%-]*$', 64)
    if not wrong and e.queue ~= ARGV[1] then
      wrong = 'queue: this is the door of "' .. ARGV[1] .. '"; use the keys of "' .. e.queue .. '"'
    end
  end
  if not wrong and e.priority ~= nil and not BANDS[e.priority] then
    wrong = 'priority: `' .. show(e.priority) .. '` is none of high, normal, low'
  end
  if not wrong and e.max_attempts ~= nil then wrong = number('max_attempts', e.max_attempts, 1000) end
  if not wrong and e.timeout_ms ~= nil then wrong = number('timeout_ms', e.timeout_ms, 86400000) end
  if not wrong and e.trace ~= nil and (type(e.trace) ~= 'string' or #e.trace > 256 or string.find(e.trace, '[^ -~]')) then
    wrong = 'trace: more than 256 bytes or not plain ASCII; send a W3C traceparent'
  end
  if not wrong and e.reply ~= nil and type(e.reply) ~= 'boolean' then
    wrong = 'reply: ' .. show(e.reply) .. ' is neither true nor false'
  end
  local run_at, expires_at
  if not wrong and e.run_at ~= nil then run_at, wrong = time('run_at', e.run_at) end
  if not wrong and e.expires_at ~= nil then expires_at, wrong = time('expires_at', e.expires_at) end
  if not wrong and run_at and expires_at and expires_at <= run_at then
    wrong = 'expires_at: not after run_at, so the job could never run; give it a later time'
  end
  return wrong, e.id, BANDS[e.priority or 'normal'], run_at
end

local answers, ids, given, items, asked = {}, {}, {}, {}, {}
for i = 4, #ARGV, 2 do
  local at = (i - 2) / 2
  local wrong, id, band, run_at = judge(ARGV[i + 1])
  local own = id ~= nil
  id = id or ARGV[i]
  if not wrong and (#id > 128 or not string.find(id, ID)) then wrong = 'the fallback id is not an id' end
  if wrong then
    answers[at] = 'rejected ' .. wrong
  else
    ids[#ids + 1] = id
    items[#items + 1] = { at, band, run_at, own, ARGV[i + 1] }
    if own then given[#given + 1] = id end
  end
end

local known = {}
if #ids > 0 then
  local there = redis.call('HMGET', KEYS[1], unpack(ids))
  for i = 1, #ids do if there[i] then known[ids[i]] = true end end
end
if #given > 0 then
  local until_ms = redis.call('ZMSCORE', KEYS[6], unpack(given))
  for i = 1, #given do if until_ms[i] and tonumber(until_ms[i]) > now then known[given[i]] = true end end
end

local jobs, ready, due = {}, { {}, {}, {} }, {}
local stamp = string.format('%013.0f', now)
for i = 1, #ids do
  local id, item = ids[i], items[i]
  if known[id] then
    answers[item[1]] = 'duplicate ' .. id
  else
    known[id] = true
    jobs[#jobs + 1] = id
    jobs[#jobs + 1] = stamp .. item[2] .. (item[4] and '+' or '-') .. item[5]
    if item[3] and item[3] > now then
      due[#due + 1] = string.format('%.0f', item[3])
      due[#due + 1] = item[2] .. id
    else
      local list = ready[item[2] + 1]
      list[#list + 1] = id
    end
    answers[item[1]] = 'queued ' .. id
  end
end
if #jobs > 0 then
  redis.call('HSET', KEYS[1], unpack(jobs))
  for band = 1, 3 do
    if #ready[band] > 0 then redis.call('RPUSH', KEYS[2 + band], unpack(ready[band])) end
  end
  if #due > 0 then redis.call('ZADD', KEYS[2], unpack(due)) end
  redis.call('HINCRBY', KEYS[9], 'enqueued', #jobs / 2)
  -- Somebody found nothing and sleeps: an empty line in the inbox wakes it.
  if redis.call('DEL', KEYS[7]) == 1 then redis.call('RPUSH', KEYS[8], '') end
end
return answers
