package redisstore

import "github.com/redis/rueidis"

// Each script is one decision about keys of one slot. Its flags say what it may do
// when memory is full: what frees or only reads must go on then, or nobody could
// log out (measured on 7.0.15: without allow-oom even DEL and GET answer OOM in a
// script).
//
// A value that has expired by the caller's clock is treated as gone. The prelude
// returns the live value under a key, or nil.
const live = `
local function live(key, now)
  local v = redis.call('GET', key)
  if v and tonumber(string.sub(v, 10, 22)) > tonumber(now) then return v end
  return nil
end
`

// swap: KEYS key; ARGV now, version, value, ttl. Answers nil if gone, 1 if done,
// else the present value.
var swapScript = rueidis.NewLuaScript("#!lua\n" + live + `
local v = live(KEYS[1], ARGV[1])
if not v then return nil end
if string.sub(v, 2, 9) ~= ARGV[2] then return v end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
`)

// shrink is swap for when memory is full: it stores a value that is no longer than
// the one it replaces, so that sessions in use stay alive. Answers 0 for a longer
// one.
var shrinkScript = rueidis.NewLuaScript("#!lua flags=allow-oom\n" + live + `
local v = live(KEYS[1], ARGV[1])
if not v then return nil end
if string.sub(v, 2, 9) ~= ARGV[2] then return v end
if #ARGV[3] > #v then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
`)

// rename: KEYS old, to; ARGV now, version, value, ttl, left, its ttl ("" for no
// left). Answers as swap, or 0 if something lives under to.
var renameScript = rueidis.NewLuaScript("#!lua\n" + live + `
local v = live(KEYS[1], ARGV[1])
if not v then return nil end
if string.sub(v, 2, 9) ~= ARGV[2] then return v end
if live(KEYS[2], ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
if ARGV[5] ~= '' then
  redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[6])
else
  redis.call('DEL', KEYS[1])
end
return 1
`)

// create: KEYS key; ARGV now, value, ttl. Answers 1, or 0 if something lives there.
var createScript = rueidis.NewLuaScript("#!lua\n" + live + `
if live(KEYS[1], ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
`)
