-- Look at the oldest lines of the inbox, and become the one daemon that may admit them.
-- KEYS inbox admitter claims
-- ARGV[1] a fresh token    ARGV[2] how many lines    ARGV[3] how long the right lasts, ms    ARGV[4] byte budget
-- Returns the lines; none when the inbox is empty, or false while another daemon holds the right. Cost: O(lines).
-- Redis lets a script go on over its memory limit once it wrote something that needs none: admitting must work then.
redis.call('HDEL', claims, '')
if not redis.call('SET', admitter, ARGV[1], 'NX', 'PX', ARGV[3]) then return false end
local lines, bytes, at, most = {}, 0, 0, tonumber(ARGV[2])
while at < most and bytes < tonumber(ARGV[4]) do
  local part = redis.call('LRANGE', inbox, at, math.min(at + 99, most - 1))
  for i = 1, #part do
    lines[#lines + 1] = part[i]
    bytes = bytes + #part[i]
  end
  at = at + 100
  if #part < 100 then break end
end
if #lines == 0 then redis.call('DEL', admitter) end
return lines
