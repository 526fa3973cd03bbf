-- Take judged lines from the inbox into the queue, in one step: nothing between the two can be lost or doubled.
-- KEYS inbox admitter outbound
-- PARTS clock stored nudge lanes uniques taking_out putting
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] the token of the look, or "" for lines that another queue forwards
-- ARGV[3] how many lines it was      ARGV[4] how many jobs may wait in a lane
-- ARGV[5..] sextuples: kind, id, band, run_at or 0, bonds or "", text. Kinds: `+` a job with its host's id, `-` a job
--           with ours, `x` a malformed line (bonds hold the verdict), `o` for another queue (kept until it is forwarded).
-- Returns {admitted, duplicates}, or false when the right to admit was lost: then look again. Cost: O(lines).
if ARGV[2] ~= '' then
  if redis.call('GET', admitter) ~= ARGV[2] then return false end
  redis.call('LTRIM', inbox, ARGV[3], -1)
  redis.call('DEL', admitter)
end
local answers, put_in, duplicates = put(ARGV, 5, tonumber(ARGV[4]))

local stamp, kept, sent_on, condemned, judged, buried = string.format('%013.0f', now), {}, {}, {}, {}, 0
local function bury(id, text, verdict)
  kept[#kept + 1] = id
  kept[#kept + 1] = stamp .. '1-' .. text
  condemned[#condemned + 1] = id
  judged[#judged + 1] = id
  judged[#judged + 1] = verdict
end
for i = 5, #ARGV, 6 do
  if ARGV[i] == 'o' then
    sent_on[#sent_on + 1] = ARGV[i + 1] .. ' ' .. ARGV[i + 5]
  elseif ARGV[i] == 'x' then
    bury(ARGV[i + 1], ARGV[i + 5], ARGV[i + 4])
  end
end
-- Nobody waits for the answer to a line: what the scripted door rejects is buried with the same reason, unless a job of
-- its id lives, perhaps since a moment ago: then it is one more of those.
for i = 5, #ARGV, 6 do
  local answer = answers[(i - 5) / 6 + 1]
  if answer and string.sub(answer, 1, 9) == 'rejected ' then
    local id = ARGV[i + 1]
    if redis.call('HSETNX', jobs, id, stamp .. '1-' .. ARGV[i + 5]) == 1 then
      redis.call('HSET', verdicts, id, 'dead ' .. string.sub(answer, 10))
      redis.call('RPUSH', departing, id)
      buried = buried + 1
    else
      duplicates = duplicates + 1
    end
  end
end
if #kept > 0 then
  redis.call('HSET', jobs, unpack(kept))
  redis.call('HSET', verdicts, unpack(judged))
  redis.call('RPUSH', departing, unpack(condemned))
  buried = buried + #condemned
end
if buried > 0 then
  redis.call('HINCRBY', counters, 'enqueued', buried)
  nudge()
end
if #sent_on > 0 then
  -- In the order of their coming, which a lane in another queue or part needs.
  local last, scored = redis.call('HINCRBY', counters, 'sent_on', #sent_on), {}
  for i = 1, #sent_on do
    scored[2 * i - 1] = last - #sent_on + i
    scored[2 * i] = sent_on[i]
  end
  redis.call('ZADD', outbound, 'NX', unpack(scored))
end
return { put_in + buried, duplicates }
