package redisstore

import (
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// Each script is one decision about the hash of one tag, its only key. The first
// line's flags say what it may do when memory is full: what ends, revokes or
// reads must go on then, or nobody could log out (measured on 7.0.15: without
// allow-oom even DEL and GET answer OOM in a script).
//
// ARGV[1] is the caller's clock in milliseconds. An answer is a number of those
// below, a record, or an array
//
//	number, epoch or record, sessions that were dead and are removed (field, record, why each), entries (field, record each)
const (
	saidGone   = 0
	saidDone   = 1
	saidExists = 2
	saidGrows  = 3
	saidLimit  = 4
	saidFull   = 5
	saidVoid   = 6

	deadRevoked = 2
)

const luaBegin = `
local key, now = KEYS[1], tonumber(ARGV[1])
`

// luaRecord judges one record. revoked asks the field "r" about an owner, one handle of
// theirs and the halves of its epoch. dead answers nil, 1 for expired or 2 for revoked,
// and fails on what is no record: nothing may be concluded from that. The halves of
// a live record's epoch follow.
const luaRecord = `
local function revoked(r, owner, handle, hi, lo)
  if #r % 50 ~= 0 then error('sallyport: the revocations are none of ours') end
  for i = 1, #r, 50 do
    if string.sub(r, i, i + 11) == owner then
      local h, l, floor, till = struct.unpack('>I4I4I8I6', r, i + 28)
      if till > now and floor == 0 then
        if h == 0 and l == 0 then
          if string.sub(r, i + 12, i + 27) == handle then return true end
        elseif h > hi or (h == hi and l > lo) then
          return true
        end
      end
    end
  end
  return false
end

local function dead(v, r)
  if #v < 59 then error('sallyport: the value is none of ours') end
  local format, flags, expires, hi, lo = struct.unpack('>BBxxxxxxxxI6I4I4', v)
  if format ~= 1 and format ~= 2 then error('sallyport: the value is none of ours') end
  if expires <= now then return 1 end
  if not r or flags < 4 then return nil, hi, lo end
  if revoked(r, string.sub(v, 25, 36), string.sub(v, 37, 52), hi, lo) then return 2 end
  return nil, hi, lo
end
`

// luaHash reads and changes the hash.
const luaHash = `
local gone = {}

local function ours(v)
  local f = string.byte(v)
  return #v >= 59 and (f == 1 or f == 2)
end

local function fetch(field)
  local t = redis.call('HMGET', key, field, 'r')
  return t[1], t[2]
end

local function drop(field, v, why)
  redis.call('HDEL', key, field)
  local n = #gone
  gone[n + 1], gone[n + 2], gone[n + 3] = field, v, why
end

-- The key's life is only ever lengthened: a node whose clock is ahead must not
-- make Redis forget what others wrote.
local function keep(ttl)
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end

local function stamped(v, epoch)
  return string.sub(v, 1, 16) .. epoch .. string.sub(v, 25)
end
`

// luaScan goes through the whole hash and clears away what is dead: sessions by
// whatever killed them, refresh families that were revoked. What runs out of those is
// decided by another clock, see luaFamily.
const luaScan = `
local all

local function lost(f, v, r)
  if not v or not r or #f ~= 17 or #v < 138 then return false end
  local format, hi, lo = struct.unpack('>BI4I4', v)
  return (format == 3 or format == 4) and revoked(r, string.sub(v, 70, 81), string.sub(f, 2), hi, lo)
end

local function each(r, visit)
  all = all or redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local f, v = all[i], all[i + 1]
    if v and #f == 32 then
      if not ours(v) then
        if visit then visit(i, f, v, true) end
      else
        local why = dead(v, r)
        if why then
          drop(f, v, why)
          all[i + 1] = false
        elseif visit then
          visit(i, f, v)
        end
      end
    elseif lost(f, v, r) then
      redis.call('HDEL', key, f)
      all[i + 1] = false
    end
  end
end

-- listed collects the owner's live listed records.
local function listed(owner, r, strict)
  local mine = {}
  each(r, function(i, f, v, strange)
    if strange then
      if strict then error('sallyport: the value is none of ours') end
      return
    end
    local flags = string.byte(v, 2)
    if flags % 2 == 1 and flags >= 4 and string.sub(v, 25, 36) == owner then
      mine[#mine + 1] = {i = i, f = f, v = v, shown = flags % 4 >= 2,
        handle = string.sub(v, 37, 52), created = struct.unpack('>I7', v, 53)}
    end
  end)
  return mine
end

local function finish(m, ended)
  redis.call('HDEL', key, m.f)
  all[m.i + 1] = false
  local n = #ended
  ended[n + 1], ended[n + 2] = m.f, m.v
end
`

// luaRegistry reads and writes what is revoked, pruned of what has run out.
const luaRegistry = `
local function register(r, owner)
  local o = {owner = owner, rest = {}, denied = {}, voids = {}, hi = 0, lo = 0, till = 0}
  if not r then return o end
  if #r % 50 ~= 0 then error('sallyport: the revocations are none of ours') end
  for i = 1, #r, 50 do
    local h, l, floor, till = struct.unpack('>I4I4I8I6', r, i + 28)
    if till > now then
      local handle = string.sub(r, i + 12, i + 27)
      if string.sub(r, i, i + 11) ~= owner then
        o.rest[#o.rest + 1] = string.sub(r, i, i + 49)
      elseif floor ~= 0 then
        o.voids[#o.voids + 1] = {handle = handle, gen = h * 4294967296 + l, floor = floor, till = till}
      elseif h ~= 0 or l ~= 0 then
        o.hi, o.lo, o.till = h, l, till
      else
        o.denied[#o.denied + 1] = {handle = handle, till = till}
      end
    end
  end
  return o
end

local function store(o, ttl)
  local t = o.rest
  if o.hi ~= 0 or o.lo ~= 0 then
    t[#t + 1] = o.owner .. string.rep('\0', 16) .. struct.pack('>I4I4I8I6', o.hi, o.lo, 0, o.till)
  end
  for _, d in ipairs(o.denied) do
    t[#t + 1] = o.owner .. d.handle .. struct.pack('>I8I8I6', 0, 0, d.till)
  end
  for _, d in ipairs(o.voids) do
    t[#t + 1] = o.owner .. d.handle .. struct.pack('>I8I8I6', d.gen, d.floor, d.till)
  end
  local r = table.concat(t)
  if r == '' then
    redis.call('HDEL', key, 'r')
    return false
  end
  redis.call('HSET', key, 'r', r)
  keep(ttl)
  return r
end

local function epoch(o) return struct.pack('>I4I4', o.hi, o.lo) end

-- raise sets the greater of the successor and the server's clock in microseconds.
local function raise(o, till)
  local hi, lo = o.hi, o.lo + 1
  if lo == 4294967296 then hi, lo = hi + 1, 0 end
  if hi == 4294967296 then hi, lo = o.hi, o.lo end
  local t = redis.call('TIME')
  local us = t[1] * 1000000 + t[2]
  local h, l = math.floor(us / 4294967296), us % 4294967296
  if h > hi or (h == hi and l > lo) then hi, lo = h, l end
  o.hi, o.lo, o.denied, o.voids = hi, lo, {}, {}
  o.till = math.max(o.till, tonumber(till))
end

local function full(o) return #o.denied + #o.voids >= MAXDENIED end

-- deny answers false if there is no room.
local function deny(o, handle, till)
  for _, d in ipairs(o.denied) do
    if d.handle == handle then
      d.till = math.max(d.till, tonumber(till))
      return true
    end
  end
  if full(o) then return false end
  o.denied[#o.denied + 1] = {handle = handle, till = tonumber(till)}
  return true
end

-- void answers false if there is no room.
local function void(o, handle, gen, floor, till)
  for _, d in ipairs(o.voids) do
    if d.handle == handle and d.gen == gen then
      d.floor, d.till = math.max(d.floor, floor), math.max(d.till, till)
      return true
    end
  end
  if full(o) then return false end
  o.voids[#o.voids + 1] = {handle = handle, gen = gen, floor = floor, till = till}
  return true
end
`

const (
	oomRefused = "#!lua\n"
	oomAllowed = "#!lua flags=allow-oom\n"
	readOnly   = "#!lua flags=no-writes\n"
)

func script(parts ...string) *rueidis.Lua {
	return rueidis.NewLuaScript(strings.ReplaceAll(strings.Join(parts, ""), "MAXDENIED", strconv.Itoa(revocation.MaxDenied)))
}

// swap: ARGV now, field, version, next, ttl. A record is the present one, in
// conflict. It is the most frequent write and does without what it can: the key has
// a life, which is only ever lengthened.
const (
	luaSwap = `
local t = redis.call('HMGET', key, ARGV[2], 'r')
local v, next = t[1], ARGV[4]
if not v then return 0 end
local why, hi, lo = dead(v, t[2])
if why then
  redis.call('HDEL', key, ARGV[2])
  return {0, '', {ARGV[2], v, why}}
end
if string.sub(v, 3, 10) ~= ARGV[3] then return v end
`
	luaSwapFits  = `if #next > #v then return 3 end`
	luaSwapWrite = `
if hi ~= 0 or lo ~= 0 then
  next = string.sub(next, 1, 16) .. string.sub(v, 17, 24) .. string.sub(next, 25)
end
redis.call('HSET', key, ARGV[2], next)
redis.call('PEXPIRE', key, ARGV[5], 'GT')
return 1
`
)

var (
	swapScript = script(oomRefused, luaBegin, luaRecord, luaSwap, luaSwapWrite)
	// When memory is full: only what is no longer than what it replaces, so that
	// sessions in use stay alive.
	swapFullScript = script(oomAllowed, luaBegin, luaRecord, luaSwap, luaSwapFits, luaSwapWrite)
)

// rename: ARGV now, old field, version, next, ttl, new field, left or "". A record
// is the present one, in conflict. Snapshots pile up in a hash that nobody lists,
// so every so often the whole of it is cleared.
const (
	luaRename = `
local t = redis.call('HMGET', key, ARGV[2], ARGV[6], 'r')
local v, there, r = t[1], t[2], t[3]
if not v then return 0 end
local why = dead(v, r)
if why then
  drop(ARGV[2], v, why)
  return {0, '', gone}
end
if string.sub(v, 3, 10) ~= ARGV[3] then return v end
why = there and dead(there, r)
if there and not why then return 2 end
`
	luaRenameFits  = `if #ARGV[4] + #ARGV[7] > #v then return 3 end`
	luaRenameWrite = `
if why then drop(ARGV[6], there, why) end
local epoch = string.sub(v, 17, 24)
redis.call('HSET', key, ARGV[6], stamped(ARGV[4], epoch))
if ARGV[7] ~= '' then
  redis.call('HSET', key, ARGV[2], stamped(ARGV[7], epoch))
else
  redis.call('HDEL', key, ARGV[2])
end
keep(ARGV[5])
if redis.call('HLEN', key) % 16 == 0 then each(r) end
if #gone > 0 then return {1, '', gone} end
return 1
`
)

var (
	renameScript     = script(oomRefused, luaBegin, luaRecord, luaHash, luaScan, luaRename, luaRenameWrite)
	renameFullScript = script(oomAllowed, luaBegin, luaRecord, luaHash, luaScan, luaRename, luaRenameFits, luaRenameWrite)
)

// take: ARGV now, field. A record is the one that was removed, also if it is none
// of ours: an end must not wait for who can read it.
var takeScript = script(oomAllowed, luaBegin, luaRecord, luaHash, `
local v, r = fetch(ARGV[2])
if not v then return 0 end
local why = ours(v) and dead(v, r)
if why then
  drop(ARGV[2], v, why)
  return {0, '', gone}
end
redis.call('HDEL', key, ARGV[2])
return v
`)

// reap: ARGV now, field. Removes the record if it is dead.
var reapScript = script(oomAllowed, luaBegin, luaRecord, luaHash, `
local v, r = fetch(ARGV[2])
local why = v and dead(v, r)
if not why then return 0 end
drop(ARGV[2], v, why)
return {0, '', gone}
`)

// create: ARGV now, field, next, ttl, owner or "", max or 0 for an unlisted one,
// refuse 0 or 1, until of the epoch or 0, its ttl.
var createScript = script(oomRefused, luaBegin, luaRecord, luaHash, luaScan, luaRegistry, `
local field, owner, max = ARGV[2], ARGV[5], tonumber(ARGV[6])
local v, r = fetch(field)
if v then
  local why = dead(v, r)
  if not why then return 2 end
  drop(field, v, why)
end
local ended = {}
if max > 0 then
  local mine = listed(owner, r)
  local excess = #mine + 1 - max
  if excess > 0 then
    if ARGV[7] == '1' then
      local shown = 0
      for _, m in ipairs(mine) do
        if m.shown then shown = shown + 1 end
      end
      if shown >= max then return {4, '', gone} end
    end
    table.sort(mine, function(a, b)
      if a.shown ~= b.shown then return b.shown end
      if a.created ~= b.created then return a.created < b.created end
      return a.i < b.i
    end)
    for n = 1, excess do finish(mine[n], ended) end
  end
end
local stamp = string.rep('\0', 8)
if r and owner ~= '' then
  local o = register(r, owner)
  stamp = epoch(o)
  local till = tonumber(ARGV[8])
  if o.till > 0 and till > o.till then
    o.till = till
    store(o, ARGV[9])
  end
end
redis.call('HSET', key, field, stamped(ARGV[3], stamp))
keep(ARGV[4])
return {1, stamp, gone, ended}
`)

// list: ARGV now, owner.
var listScript = script(oomAllowed, luaBegin, luaRecord, luaHash, luaScan, `
local mine, entries = listed(ARGV[2], redis.call('HGET', key, 'r'), true), {}
for _, m in ipairs(mine) do
  entries[#entries + 1] = m.f
  entries[#entries + 1] = m.v
end
return {1, '', gone, entries}
`)

// endOne: ARGV now, owner, handle, until, ttl.
var endOneScript = script(oomAllowed, luaBegin, luaRecord, luaHash, luaScan, luaRegistry, `
local r, ended = redis.call('HGET', key, 'r'), {}
for _, m in ipairs(listed(ARGV[2], r)) do
  if m.handle == ARGV[3] then
    local o = register(r, ARGV[2])
    if not deny(o, ARGV[3], ARGV[4]) then return {5, '', gone} end
    r = store(o, ARGV[5])
    finish(m, ended)
    each(r)
    return {1, '', gone, ended}
  end
end
return {0, '', gone}
`)

// endMany: ARGV now, owner, the handle to keep or "", until, ttl.
var endManyScript = script(oomAllowed, luaBegin, luaRecord, luaHash, luaScan, luaRegistry, `
local r, ended = redis.call('HGET', key, 'r'), {}
local mine, kept = listed(ARGV[2], r), nil
for _, m in ipairs(mine) do
  if m.handle == ARGV[3] then kept = m end
end
if ARGV[3] ~= '' and not kept then return {0, '', gone} end
local o = register(r, ARGV[2])
raise(o, ARGV[4])
r = store(o, ARGV[5])
for _, m in ipairs(mine) do
  if m ~= kept then finish(m, ended) end
end
if kept then
  all[kept.i + 1] = stamped(kept.v, epoch(o))
  redis.call('HSET', key, kept.f, all[kept.i + 1])
end
each(r)
return {1, epoch(o), gone, ended}
`)

// raise: ARGV now, owner, until, ttl. Answers the epoch.
var raiseScript = script(oomAllowed, luaBegin, luaRecord, luaHash, luaScan, luaRegistry, `
local o = register(redis.call('HGET', key, 'r'), ARGV[2])
raise(o, ARGV[3])
each(store(o, ARGV[4]))
return {1, epoch(o), gone}
`)

// restore: ARGV now, owner, epoch, until, ttl.
var restoreScript = script(oomAllowed, luaBegin, luaRecord, luaHash, luaScan, luaRegistry, `
local o = register(redis.call('HGET', key, 'r'), ARGV[2])
local hi, lo = struct.unpack('>I4I4', ARGV[3])
if hi > o.hi or (hi == o.hi and lo > o.lo) then o.hi, o.lo = hi, lo end
o.till = math.max(o.till, tonumber(ARGV[4]))
each(store(o, ARGV[5]))
return {1, '', gone}
`)

// deny: ARGV now, owner, handle, until, ttl.
var denyScript = script(oomAllowed, luaBegin, luaRecord, luaHash, luaScan, luaRegistry, `
local o = register(redis.call('HGET', key, 'r'), ARGV[2])
if not deny(o, ARGV[3], ARGV[4]) then return 5 end
each(store(o, ARGV[5]))
return {1, '', gone}
`)
