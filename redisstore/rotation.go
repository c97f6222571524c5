package redisstore

import (
	"fmt"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// The scripts about refresh families. ARGV[1] is the time in microseconds, or empty for
// the server's own clock: two nodes must not disagree about when a window closed. All
// times and spans are below 2^53, which is what a number of Lua holds exactly.
const luaFamilyBegin = `
local key, us = KEYS[1], tonumber(ARGV[1])
if not us then
  local t = redis.call('TIME')
  us = t[1] * 1000000 + t[2]
end
local now = math.floor(us / 1000)
`

// luaFamily reads and judges one record. family answers nil for what is none of ours,
// or stands in another's place.
const luaFamily = `
local function millis(span) return math.max(math.ceil(span / 1000), 1) end

local function family(v, place)
  if #v < 138 then return nil end
  local f, format = {}
  format, f.hi, f.lo, f.gen, f.secret, f.fixed, f.confirmed, f.stamp, f.floor, f.expires, f.created, f.ends,
    f.owner, f.place, f.binding, f.life, f.idle = struct.unpack('>BI4I4I7c4I7I7I7I7I7I7I7c12c20c16I7I7', v)
  if (format ~= 3 and format ~= 4) or f.place ~= place then return nil end
  f.handle = string.sub(place, 5)
  return f
end

local function written(f, v)
  return string.sub(v, 1, 1) .. struct.pack('>I4I4I7c4I7I7I7I7I7I7I7', f.hi, f.lo, f.gen, f.secret, f.fixed,
    f.confirmed, f.stamp, f.floor, f.expires, f.created, f.ends) .. string.sub(v, 70)
end

local function lives(f, r)
  return us < f.expires and not (r and revoked(r, f.owner, f.handle, f.hi, f.lo))
end

-- The store's clock may be set back, and a window that has closed stays closed.
local function clock(f) return math.max(us, f.fixed, f.confirmed, f.stamp, 1) end

local function use(f, at) f.expires = math.min(at + f.idle, f.ends) end
`

// luaFind finds the family at ARGV[2], its tag and handle. What is dead leaves v.
const luaFind = `
local place = ARGV[2]
local field = 'f' .. string.sub(place, 5)
local f, v, r

local function find()
  local t = redis.call('HMGET', key, field, 'r')
  v, r = t[1], t[2]
  if not v then return end
  local there = family(v, place)
  if not there then error('sallyport: the family is none of ours') end
  if lives(there, r) then f = there end
end
find()
`

// luaLive goes on with a live family only. A dead one is removed: the store's clock may
// be set back, or the registry forget, and it must not come back then.
const luaLive = `
if not f then
  if v then redis.call('HDEL', key, field) end
  return 0
end
`

// luaEnd ends the family and denies its handle. Where there is no room for that the
// owner's epoch is raised: what may have been stolen must not stay good because much
// else was revoked.
const luaEnd = `
local function finishFamily(span)
  redis.call('HDEL', key, field)
  local o, till = register(r, f.owner), math.ceil((us + span) / 1000)
  local room = deny(o, f.handle, till)
  if not room then raise(o, till) end
  r = store(o, millis(span))
  if not room then each(r) end
end
`

// createFamily: ARGV now, place, record, limit. Whatever of the tag has died is cleared
// away.
var createFamilyScript = script(oomRefused, luaFamilyBegin, luaRecord, luaHash, luaRegistry, luaFamily, `
local place, v, limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
local field, tag = 'f' .. string.sub(place, 5), string.sub(place, 1, 4)
local f = family(v, place)
local all, mine, ended, r = redis.call('HGETALL', key), {}, {}, nil
for i = 1, #all, 2 do
  if all[i] == 'r' then r = all[i + 1] end
end
for i = 1, #all, 2 do
  local name, record = all[i], all[i + 1]
  if #name == 17 then
    local other = family(record, tag .. string.sub(name, 2))
    if not other then
      if name == field then error('sallyport: the family is none of ours') end
    elseif not lives(other, r) then
      redis.call('HDEL', key, name)
    elseif name == field then
      return 2
    elseif other.owner == f.owner then
      mine[#mine + 1] = {name = name, v = record, expires = other.expires, created = other.created}
    end
  end
end
table.sort(mine, function(a, b)
  if a.expires ~= b.expires then return a.expires < b.expires end
  if a.created ~= b.created then return a.created < b.created end
  return a.name < b.name
end)
for n = 1, #mine + 1 - limit do
  redis.call('HDEL', key, mine[n].name)
  ended[2 * n - 1], ended[2 * n] = mine[n].name, mine[n].v
end
local o = register(r, f.owner)
f.hi, f.lo = o.hi, o.lo
f.created, f.ends = us, us + f.life
f.gen, f.stamp = 1, math.max(us, 1)
use(f, us)
local till = math.ceil(f.ends / 1000)
if o.till > 0 and till > o.till then
  o.till = till
  store(o, millis(f.ends - us))
end
v = written(f, v)
redis.call('HSET', key, field, v)
keep(millis(f.expires - us))
return {1, v, gone, ended}
`)

// findFamily: ARGV now, place.
var findFamilyScript = script(readOnly, luaFamilyBegin, luaRecord, luaFamily, luaFind, `
return f and v or 0
`)

// sight: ARGV now, place, owner, generation, stamp. refresh.Family.Sight.
var sightScript = script(oomAllowed, luaFamilyBegin, luaRecord, luaFamily, luaFind, luaLive, `
if f.owner ~= ARGV[3] then return 0 end
if tonumber(ARGV[4]) ~= f.gen then return 1 end
if tonumber(ARGV[5]) < f.floor then return 6 end
if f.confirmed ~= 0 then return 1 end
f.confirmed = clock(f)
redis.call('HSET', key, field, written(f, v))
return 1
`)

// luaVerdicts are the names of refresh's verdicts.
var luaVerdicts = fmt.Sprintf(`
local Coalesced, Rotated, Repeated, LateRepeated, Recovered = %d, %d, %d, %d, %d
local Reused, ReusedOlder, ReusedUnconfirmed, Misbound = %d, %d, %d, %d
`, refresh.Coalesced, refresh.Rotated, refresh.Repeated, refresh.LateRepeated, refresh.Recovered,
	refresh.Reused, refresh.ReusedOlder, refresh.ReusedUnconfirmed, refresh.Misbound)

// rotate: ARGV now, place, generation, secret, signing secret, binding, grace, wired 0
// or 1, denied. This is refresh.Family.Present; TestSameDecisions compares the two.
// The record keeps its length, so it goes on when memory is full; and so does what is
// revoked, which grows.
var rotateScript = script(oomAllowed, luaFamilyBegin, luaRecord, luaHash, luaScan, luaRegistry, luaFamily, luaFind, luaLive, luaEnd, luaVerdicts, `
local gen, grace, span = tonumber(ARGV[3]), tonumber(ARGV[7]), tonumber(ARGV[9])
local at = clock(f)

local function verdict()
  if ARGV[6] ~= f.binding then return Misbound end
  if gen > f.gen then return Recovered end
  if gen == f.gen then
    if f.fixed ~= 0 and at <= f.fixed + 3 * grace then return Coalesced end
    if f.confirmed ~= 0 and at <= f.confirmed + 2 * grace then return Coalesced end
    return Rotated
  end
  if gen + 1 ~= f.gen then return ReusedOlder end
  if at <= f.fixed + grace or (f.confirmed ~= 0 and at <= f.confirmed + grace) then return Repeated end
  if f.confirmed ~= 0 then return Reused end
  if ARGV[8] == '1' and at <= f.fixed + 86400000000 then return LateRepeated end
  return ReusedUnconfirmed
end

local said = verdict()
if said == Coalesced then
  if f.confirmed == 0 then f.confirmed = at end
elseif said == Rotated then
  f.gen, f.secret, f.fixed, f.confirmed, f.floor = f.gen + 1, ARGV[5], at, 0, 0
elseif said == LateRepeated then
  f.fixed = at
elseif said == Recovered then
  f.gen, f.secret, f.fixed, f.confirmed, f.floor = gen, ARGV[4], at, at, 0
elseif said ~= Repeated then
  finishFamily(span)
  return {said, v, gone}
end
f.stamp = math.max(f.stamp + 1, at)
if said == LateRepeated then
  f.floor = f.stamp
  local o = register(r, f.owner)
  if not void(o, f.handle, f.gen, f.floor, math.ceil((us + span) / 1000)) then return 5 end
  store(o, millis(span))
end
use(f, at)
v = written(f, v)
redis.call('HSET', key, field, v)
redis.call('PEXPIRE', key, millis(f.expires - us), 'GT')
return {said, v, gone}
`)

// endFamily: ARGV now, place, denied.
var endFamilyScript = script(oomAllowed, luaFamilyBegin, luaRecord, luaHash, luaScan, luaRegistry, luaFamily, luaFind, luaLive, luaEnd, `
finishFamily(tonumber(ARGV[3]))
return {1, v, gone}
`)

// families: ARGV now, tag, owner.
var familiesScript = script(readOnly, luaFamilyBegin, luaRecord, luaFamily, `
local all, entries, r = redis.call('HGETALL', key), {}, nil
for i = 1, #all, 2 do
  if all[i] == 'r' then r = all[i + 1] end
end
for i = 1, #all, 2 do
  if #all[i] == 17 then
    local f = family(all[i + 1], ARGV[2] .. string.sub(all[i], 2))
    if not f then error('sallyport: the family is none of ours') end
    if f.owner == ARGV[3] and lives(f, r) then
      entries[#entries + 1] = all[i]
      entries[#entries + 1] = all[i + 1]
    end
  end
end
return {1, '', {}, entries}
`)
