-- A stored job: 13 digits of time, the digit of its band, its kind, its bonds if the kind says so, the envelope.
-- The kind: `+` its host gave the id, `-` we did; `#` and `=` are the same for a job with bonds.
-- Bonds are words that begin with a letter, up to a line feed: see "Ties in Redis" in docs/wire-protocol.md.
local function band_of(stored) -- normal, if it was not stored by us
  local band = string.sub(stored, 14, 14)
  return (band == '0' or band == '2') and band or '1'
end

local function bonds_of(stored) -- nil for the many that have none
  local kind = string.byte(stored, 15)
  if kind == 35 or kind == 61 then return ' ' .. (string.match(stored, '^([^\n]*)\n', 16) or '') end
end

local function bond(bonds, letter) return string.match(bonds, ' ' .. letter .. '(%S*)') end
