-- Somebody found nothing and sleeps: an empty line in the inbox wakes it.
-- KEYS idle inbox
local function nudge()
  if redis.call('DEL', idle) == 1 then redis.call('RPUSH', inbox, '') end
end
