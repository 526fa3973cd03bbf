-- Judge envelopes and put the good ones into the queue, with an answer for each, in one step: the scripted door.
-- PARTS clock stored nudge lanes uniques taking_out putting
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] queue name    ARGV[3] args limit, bytes    ARGV[4] how many jobs may wait in a lane
-- ARGV[5..] pairs: an id to use if the envelope has none, the envelope (JSON). At most 1000 pairs.
-- Returns one line per pair: `queued ID`, `duplicate ID` or `rejected REASON`. Cost: O(pairs).
local ID, BANDS = '^[%w_.:@/+=~%-]+$', { high = '0', normal = '1', low = '2' }
local FIELDS = { 'job', 'id', 'queue', 'priority', 'run_at', 'expires_at', 'max_attempts', 'timeout_ms', 'trace', 'reply', 'lane', 'unique', 'batch' }
local max_args, max_envelope = tonumber(ARGV[3]), tonumber(ARGV[3]) + 4096
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

-- One of several words, or absent.
local function word(field, value, words, default)
  if value == nil or value == cjson.null then return default end
  local meaning = type(value) == 'string' and words[value]
  if not meaning then return nil, field .. ': `' .. show(value) .. '` is none of ' .. words[1] end
  return meaning
end

-- An object as a field's value; a plain string stands for an object with only a key.
local function keyed(field, value, max)
  local object = type(value) == 'table' and value or { key = value }
  if object.key == nil or object.key == cjson.null then return nil, field .. '.key: missing; name the key, such as "user:42"' end
  local wrong = name(field, object.key, ID, max)
  if wrong then return nil, wrong end
  return object
end

local DELAYS = { 'hold, pass', hold = '', pass = ' P' }
local SCOPES = { 'while_queued, until_done, for', while_queued = 'q', until_done = 'd', ['for'] = 't' }
local CONFLICTS = { 'reject, replace', reject = '', replace = 'm' }
local DUES = { 'move, keep', move = 'm', keep = 'k' }

local function lane_bonds(value)
  local lane, wrong = keyed('lane', value, 128)
  if wrong then return nil, wrong end
  local passes
  passes, wrong = word('lane.on_delay', lane.on_delay, DELAYS, '')
  return not wrong and ' L' .. lane.key .. passes, wrong
end

local function unique_bonds(value)
  local unique, wrong = keyed('unique', value, 128)
  if wrong then return nil, wrong end
  local scope, conflict, moves
  scope, wrong = word('unique.scope', unique.scope, SCOPES, 'd')
  if not wrong then conflict, wrong = word('unique.on_conflict', unique.on_conflict, CONFLICTS, '') end
  if not wrong then moves, wrong = word('unique.due', unique.due, DUES, 'm') end
  if wrong then return nil, wrong end
  local bonds, long = ' U' .. scope .. unique.key, unique.for_ms
  if long == cjson.null then long = nil end
  if scope == 't' then
    wrong = long == nil and 'unique.for_ms: missing; with the scope `for`, say how long' or number('unique.for_ms', long, 31536000000)
    if wrong then return nil, wrong end
    bonds = bonds .. ' F' .. string.format('%.0f', long)
  elseif long ~= nil then
    return nil, 'unique.for_ms: only with the scope `for`; leave it out, or set the scope'
  end
  if conflict ~= '' then bonds = bonds .. ' O' .. moves end
  return bonds
end

-- The reason against an envelope; or nil, its id, band, due time and bonds.
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
  -- Only an envelope longer than the limit can hold arguments longer than it; then they are measured, roughly.
  if #text > max_args and type(e.args) == 'string' and #e.args + 2 > max_args then
    return 'args: more than the ' .. max_args .. ' bytes allowed; send a reference to the data instead'
  end
  local wrong = name('job', e.job, '^[%w_.%-]+$', 100)
  if not wrong and e.id ~= nil then wrong = name('id', e.id, ID, 128) end
  if not wrong and e.queue ~= nil then
    wrong = name('queue', e.queue, '^[a-z0-9][a-z0-9_.%-]*$', 64)
    if not wrong and e.queue ~= ARGV[2] then
      wrong = 'queue: this is the door of "' .. ARGV[2] .. '"; use the keys of "' .. e.queue .. '"'
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
  local bonds = ''
  if not wrong and (e.lane ~= nil or e.unique ~= nil or e.batch ~= nil or expires_at) then
    local lane, unique
    if e.lane ~= nil then lane, wrong = lane_bonds(e.lane) end
    if not wrong and e.unique ~= nil then unique, wrong = unique_bonds(e.unique) end
    if not wrong and e.batch ~= nil then wrong = name('batch', e.batch, ID, 128) end
    if wrong then return wrong end
    bonds = (lane or '') .. (unique or '') .. (expires_at and ' E' .. string.format('%.0f', expires_at) or '') .. (e.batch and ' B' .. e.batch or '')
  end
  return wrong, e.id, BANDS[e.priority or 'normal'], run_at, string.sub(bonds, 2)
end

local items, lines = {}, {}
for i = 5, #ARGV, 2 do
  local wrong, id, band, run_at, bonds = judge(ARGV[i + 1])
  local at, kind = (i - 5) / 2 * 6, id ~= nil and '+' or '-'
  id = id or ARGV[i]
  if not wrong and (#id > 128 or not string.find(id, ID)) then wrong = 'the fallback id is not an id' end
  if wrong then
    lines[(i - 3) / 2], kind, id, band, run_at, bonds = 'rejected ' .. wrong, 'x', '', '', 0, ''
  end
  items[at + 1], items[at + 2], items[at + 3], items[at + 4], items[at + 5], items[at + 6] = kind, id, band, run_at and string.format('%.0f', run_at) or '0', bonds, ARGV[i + 1]
end
local answers = put(items, 1, tonumber(ARGV[4]))
for at = 1, #items / 6 do
  lines[at] = lines[at] or answers[at] or 'queued ' .. items[6 * at - 4]
end
return lines
