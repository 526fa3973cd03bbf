-- Put jobs into the queue that our own client has judged, with an answer for each, in one step.
-- PARTS clock stored nudge lanes uniques taking_out putting
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] how many jobs may wait in a lane
-- ARGV[3..] sextuples: kind, id, band, run_at or 0, bonds or "", envelope. Kinds: `+` its host gave the id, `-` we did.
-- Returns position and answer for each that was not put: `duplicate ID` or `rejected REASON`. Cost: O(jobs).
local reply = {}
for at, answer in pairs((put(ARGV, 3, tonumber(ARGV[2])))) do
  reply[#reply + 1] = at
  reply[#reply + 1] = answer
end
return reply
