-- Take jobs back: what waits departs, to be recorded as cancelled; what runs is marked, and its worker finds the mark.
-- KEYS jobs
-- PARTS clock stored nudge lanes uniques taking_out
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] who and why    ARGV[3..] ids
-- Returns one word per id: `removed`, `asked` (it runs), `departing` (it has ended already) or `unknown`. Cost: O(ids).
local answers, woken = {}, false
for i = 3, #ARGV do
  local id, answer = ARGV[i], 'unknown'
  local stored = redis.call('HGET', jobs, id)
  if stored then
    local place = condemn(id, stored, 'cancelled ' .. ARGV[2])
    if place == 'departing' then
      answer = 'departing'
    elseif place == 'running' then
      -- The verdict stays with the job: whoever holds it next, if not this worker, finds it.
      redis.call('HSETNX', verdicts, id, 'cancelled ' .. ARGV[2])
      answer = 'asked'
    else
      woken = true
      answer = 'removed'
    end
  end
  answers[i - 2] = answer
end
settle_keys()
if woken then nudge() end
return answers
