-- Open a batch, seal it, or both. When as many jobs of it have left as it was sealed with, its follow-up sets out.
-- KEYS recent
-- PARTS clock stored nudge lanes uniques putting batches
-- ARGV[1] now, ms, or "" for TIME    ARGV[2] its id    ARGV[3] how many jobs it has, to seal it, or ""
-- ARGV[4] its follow-up, or "": id, a space, band, a space and bonds if any, a line feed, envelope
-- ARGV[5] how long an ended batch is remembered, ms
-- Returns `open`, `sealed`, or `over`: it has ended, now or earlier. Cost: O(1).
local id = ARGV[2]
local memory = 'batch ' .. id
local over_until = redis.call('ZSCORE', recent, memory)
if over_until and tonumber(over_until) > now then return 'over' end
redis.call('HSETNX', batches, id .. ' opened', now)
if ARGV[4] ~= '' then redis.call('HSETNX', batches, id .. ' then', ARGV[4]) end
if ARGV[3] == '' then return 'open' end
redis.call('HSET', batches, id .. ' size', ARGV[3])
local follows = end_batch(id, tonumber(ARGV[5]))
settle_all()
if follows then nudge() end
return redis.call('HEXISTS', batches, id .. ' opened') == 1 and 'sealed' or 'over'
