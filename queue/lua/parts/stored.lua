-- A stored job: 13 digits of time, the digit of its band, its kind, its bonds if the kind says so, the envelope.
-- The kind: `+` its host gave the id, `-` we did; `#` and `=` are the same for a job with bonds.
-- Bonds are words that begin with a letter, up to a line feed: see "Ties in Redis" in docs/wire-protocol.md.
local function band_of(stored) -- normal, if it was not stored by us
  local band = string.sub(stored, 14, 14)
  return (band == '0' or band == '2') and band or '1'
end

local function by_letter(words)
  -- The two most frequent cases are the cheapest: one word, and a lane with its place.
  if not string.find(words, ' ', 1, true) then return { [string.sub(words, 1, 1)] = string.sub(words, 2) } end
  local lane, place = string.match(words, '^L(%S+) S(%d+)$')
  if lane then return { L = lane, S = place } end
  local bonds = {}
  for letter, value in string.gmatch(words, '(%a)(%S*)') do bonds[letter] = value end
  return bonds
end

local function bonds_of(stored) -- nil for the many that have none
  local kind = string.byte(stored, 15)
  if kind == 35 or kind == 61 then return by_letter(string.match(stored, '^([^\n]*)\n', 16) or '') end
end

local function written(ms) return string.format('%.0f', ms) end
