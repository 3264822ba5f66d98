import { defineScript } from '../redis/index.ts'

/**
 * Decides about a batch of reservations, one after the other, each all or nothing.
 *
 * A scope is one hash, so that all its meters are one key (in a cluster: one slot) and one look-up; a field is a meter,
 * its value `<window ordinal>:<count>`. Time is Redis's own: replicas whose clocks differ agree (F60). A clock that steps
 * back over the end of a window does not open it again (F59).
 *
 * KEYS: the scopes. ARGV[1]: JSON `{m: [[field, period 1…6, limit], …], d: [[scope, meter, amount, …], …]}`, where scope
 * and meter are indexes from 1. Returns Redis's time in ms and then, for each reservation, the index of the hold that
 * refused (-1: admitted) and what remains of each of its holds.
 */
export const DECIDE = defineScript(`
local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local DAY = 86400000
local FIRST = 1577836800000
local LENGTHS = {1000, 60000, 3600000, DAY}

local function isLeap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local function monthOrYear(period)
  local day = math.max(0, math.floor((now - FIRST) / DAY))
  local year = 2020
  local length = 366
  while day >= length do
    day = day - length
    year = year + 1
    length = isLeap(year) and 366 or 365
  end
  local today = math.floor(now / DAY) * DAY
  if period == 6 then return year, today + (length - day) * DAY end
  local lengths = {31, isLeap(year) and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
  local month = 1
  while day >= lengths[month] do
    day = day - lengths[month]
    month = month + 1
  end
  return year * 12 + month - 1, today + (lengths[month] - day) * DAY
end

local windows = {}
local function windowOf(period)
  local window = windows[period]
  if window then return window end
  local length = LENGTHS[period]
  if length then
    local ordinal = math.floor((now - FIRST) / length)
    window = {ordinal = ordinal, ends = FIRST + (ordinal + 1) * length}
  else
    local ordinal, ends = monthOrYear(period)
    window = {ordinal = ordinal, ends = ends}
  end
  windows[period] = window
  return window
end

local scopes = {}
local function counterOf(scope, meter)
  local counters = scopes[scope]
  if not counters then
    counters = {}
    scopes[scope] = counters
  end
  local counter = counters[meter[1]]
  if counter then return counter end
  local window = windowOf(meter[2])
  counter = {ordinal = window.ordinal, ends = window.ends, count = 0, asked = 0}
  local stored = redis.call('HGET', KEYS[scope], meter[1])
  if stored then
    local ordinal, count = string.match(stored, '^(%d+):(%d+)$')
    ordinal = tonumber(ordinal)
    if ordinal == window.ordinal or ordinal == window.ordinal + 1 then
      counter.ordinal = ordinal
      counter.count = tonumber(count)
      counter.stored = true
    end
  end
  counters[meter[1]] = counter
  return counter
end

local answer = {now}
for _, holds in ipairs(asked.d) do
  local refusing = -1
  local latest = 0
  for i = 1, #holds, 3 do
    local meter = asked.m[holds[i + 1]]
    local counter = counterOf(holds[i], meter)
    counter.asked = counter.asked + holds[i + 2]
    if counter.count + counter.asked > meter[3] and counter.ends > latest then
      refusing = (i - 1) / 3
      latest = counter.ends
    end
  end
  answer[#answer + 1] = refusing
  for i = 1, #holds, 3 do
    local counter = counterOf(holds[i], asked.m[holds[i + 1]])
    counter.asked = 0
    if refusing < 0 and holds[i + 2] ~= 0 then
      counter.count = math.max(0, counter.count + holds[i + 2])
      counter.changed = true
    end
  end
  for i = 1, #holds, 3 do
    local meter = asked.m[holds[i + 1]]
    answer[#answer + 1] = math.max(0, meter[3] - counterOf(holds[i], meter).count)
  end
end

for scope, counters in pairs(scopes) do
  local fields = {}
  local keep = 0
  for field, counter in pairs(counters) do
    if counter.changed then
      fields[#fields + 1] = field
      fields[#fields + 1] = string.format('%.0f:%.0f', counter.ordinal, counter.count)
      if not counter.stored then keep = math.max(keep, counter.ends - now + 2000) end
    end
  end
  if #fields > 0 then
    redis.call('HSET', KEYS[scope], unpack(fields))
    if keep > 0 and redis.call('PTTL', KEYS[scope]) < keep then
      redis.call('PEXPIRE', KEYS[scope], string.format('%.0f', keep))
    end
  end
end
return answer
`)

/**
 * Corrects what was taken, in the windows it was taken from; a window that is over has nothing left to correct.
 *
 * KEYS: the scopes. ARGV[1]: JSON `[[scope, field, window ordinal, difference], …]`.
 */
export const CORRECT = defineScript(`
for _, correction in ipairs(cjson.decode(ARGV[1])) do
  local key = KEYS[correction[1]]
  local stored = redis.call('HGET', key, correction[2])
  if stored then
    local ordinal, count = string.match(stored, '^(%d+):(%d+)$')
    if tonumber(ordinal) == correction[3] then
      local corrected = math.max(0, tonumber(count) + correction[4])
      redis.call('HSET', key, correction[2], string.format('%.0f:%.0f', correction[3], corrected))
    end
  end
end
return 0
`)

/** Kong's counter of one period: KEYS[1] grows by ARGV[1] and lasts ARGV[2] seconds from its first use. */
export const COUNT_AS_KONG = defineScript(`
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
`)

/**
 * A replica says that it lives. KEYS[1]: a sorted set of replicas by the time they were last heard of. ARGV: the
 * replica, how long silence means death in ms. Returns how many live.
 */
export const HEARTBEAT = defineScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
`)
