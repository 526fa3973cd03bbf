-- Take judged lines from the inbox into the queue, in one step: nothing between the two can be lost or doubled.
-- KEYS[1] inbox (list)     KEYS[2] admitter (string)   KEYS[3] jobs (hash)        KEYS[4] due (zset)
-- KEYS[5..7] ready: high, normal, low (lists)          KEYS[8] recent (zset)      KEYS[9] departing (list)
-- KEYS[10] verdicts (hash) KEYS[11] outbound (hash)    KEYS[12] idle (string)     KEYS[13] counters (hash)
-- ARGV[1] the token of the look, or "" for lines that another queue forwards    ARGV[2] how many lines it was    ARGV[3] now, ms, or "" for Redis TIME
-- ARGV[4..] quintuples: kind, id, band, run_at or 0, text. Kinds: `+` a job with its host's id, `-` a job with ours,
--           `x` a malformed line (band holds the verdict), `o` for another queue (text is kept until it is forwarded).
-- Returns {admitted, duplicates}, or false when the right to admit was lost: then look again. Cost: O(lines).
if ARGV[1] ~= '' then
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return false end
  redis.call('LTRIM', KEYS[1], ARGV[2], -1)
  redis.call('DEL', KEYS[2])
end
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local ids, given, known = {}, {}, {}
for i = 4, #ARGV, 5 do
  ids[#ids + 1] = ARGV[i + 1]
  if ARGV[i] == '+' then given[#given + 1] = ARGV[i + 1] end
end
if #ids == 0 then return { 0, 0 } end
local there = redis.call('HMGET', KEYS[3], unpack(ids))
for i = 1, #ids do if there[i] then known[ids[i]] = true end end
if #given > 0 then
  local until_ms = redis.call('ZMSCORE', KEYS[8], unpack(given))
  for i = 1, #given do if until_ms[i] and tonumber(until_ms[i]) > now then known[given[i]] = true end end
end
local jobs, ready, due, condemned, verdicts, outbound, duplicates = {}, { {}, {}, {} }, {}, {}, {}, {}, 0
local stamp = string.format('%013.0f', now)
for i = 4, #ARGV, 5 do
  local kind, id, band, run_at, text = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]
  if kind == 'o' then
    outbound[#outbound + 1] = id
    outbound[#outbound + 1] = text
  elseif known[id] then
    duplicates = duplicates + 1
  else
    known[id] = true
    jobs[#jobs + 1] = id
    if kind == 'x' then
      jobs[#jobs + 1] = stamp .. '1-' .. text
      condemned[#condemned + 1] = id
      verdicts[#verdicts + 1] = id
      verdicts[#verdicts + 1] = band
    else
      jobs[#jobs + 1] = stamp .. band .. kind .. text
      if run_at > now then
        due[#due + 1] = ARGV[i + 3]
        due[#due + 1] = band .. id
      else
        local list = ready[tonumber(band) + 1]
        list[#list + 1] = id
      end
    end
  end
end
if #jobs > 0 then redis.call('HSET', KEYS[3], unpack(jobs)) end
if #due > 0 then redis.call('ZADD', KEYS[4], unpack(due)) end
for band = 1, 3 do
  if #ready[band] > 0 then redis.call('RPUSH', KEYS[4 + band], unpack(ready[band])) end
end
if #condemned > 0 then
  redis.call('HSET', KEYS[10], unpack(verdicts))
  redis.call('RPUSH', KEYS[9], unpack(condemned))
end
if #outbound > 0 then redis.call('HSET', KEYS[11], unpack(outbound)) end
redis.call('HINCRBY', KEYS[13], 'enqueued', #jobs / 2)
if duplicates > 0 then redis.call('HINCRBY', KEYS[13], 'duplicates', duplicates) end
-- Another daemon found nothing and sleeps while this one may be full.
if #jobs > 0 and redis.call('DEL', KEYS[12]) == 1 then redis.call('RPUSH', KEYS[1], '') end
return { #jobs / 2, duplicates }
