import { defineScript } from '../redis/index.ts'
import { LUA_COUNTERS } from './lua-counters.ts'

/**
 * Decides about a batch of reservations, one after the other, each all or nothing.
 *
 * KEYS: scopes, and leases of a scope and meter. ARGV[1]: JSON `{m: [meter, …], d: [[key, meter, amount, …], …], h, s}`
 * with meters as in `lua-counters.ts`, indexes from 1, and where something is held `h`, who holds, and `s`, the number of
 * each reservation's first lease. Returns Redis's time in ms and then, for each reservation, the index of the hold that
 * refused (-1: admitted) and in how many ms it would admit (-1: never), and for each hold what is counted, in how many ms
 * that is forgotten, and the mark by which a correction finds what was taken. Only the time when the boundaries of a time
 * zone are not around it.
 */
export const DECIDE = defineScript(`${LUA_COUNTERS}
local asked = cjson.decode(ARGV[1])
if not zonesFit(asked.m) then return {now} end

-- When a lease ends is known to nobody; this is soon enough to ask again, and not too often.
local LEASE_WAIT = 1000

local function waitOf(counter)
  local meter = counter.meter
  local kind, limit, wanted = meter[2], meter[3], counter.asked
  if meter[4] == 1 then return 0 end
  if kind == GCRA then
    local excess = counter.level + wanted - meter[6]
    if excess <= 0.000001 then return 0 end
    if wanted > meter[6] then return math.huge end
    return math.max(1, math.ceil(excess * meter[5] / limit - 0.000001))
  end
  local excess = counter.used + wanted - limit
  if excess <= 0 then return 0 end
  if wanted > limit then return math.huge end
  if kind <= ZONED then return counter.ends - now end
  if kind == LEASES then return LEASE_WAIT end
  for i = 8, 0, -1 do
    excess = excess - counter[i]
    if excess <= 0 then return (counter.newest - i + 9) * meter[5] - now end
  end
  return meter[5] * 9
end

local function markOf(counter)
  local meter = counter.meter
  local kind = meter[2]
  if kind <= ZONED then return counter.mark end
  if kind == SLIDING then return counter.newest end
  if kind == GCRA then return math.floor((now + counter.level * meter[5] / meter[3]) * 1000 + 0.5) end
  return 0
end

local scopes = {}
local function counterOf(key, meter)
  local counters = scopes[key]
  if not counters then
    counters = {}
    scopes[key] = counters
  end
  local counter = counters[meter[1]]
  if not counter then
    counter = read(KEYS[key], meter)
    counters[meter[1]] = counter
  end
  return counter
end

local function take(counter, key, amount, lease)
  if counter.meter[2] ~= LEASES then return add(counter, amount) end
  local score = string.format('%.0f', now + counter.meter[5])
  for number = lease, lease + amount - 1 do
    redis.call('ZADD', KEYS[key], score, asked.h .. ':' .. string.format('%.0f', number))
  end
  counter.used = counter.used + amount
  counter.held = true
end

local answer = {now}
for at, holds in ipairs(asked.d) do
  local refusing = -1
  local longest = 0
  for i = 1, #holds, 3 do
    local counter = counterOf(holds[i], asked.m[holds[i + 1]])
    counter.asked = counter.asked + holds[i + 2]
    local wait = waitOf(counter)
    if wait > longest then
      refusing = (i - 1) / 3
      longest = wait
    end
  end
  answer[#answer + 1] = refusing
  answer[#answer + 1] = longest == math.huge and -1 or longest
  local lease = asked.s and asked.s[at] or 0
  for i = 1, #holds, 3 do
    local counter = counterOf(holds[i], asked.m[holds[i + 1]])
    local amount = holds[i + 2]
    counter.asked = 0
    if refusing < 0 and amount ~= 0 then take(counter, holds[i], amount, lease) end
    if counter.meter[2] == LEASES then lease = lease + amount end
  end
  for i = 1, #holds, 3 do
    local counter = counterOf(holds[i], asked.m[holds[i + 1]])
    answer[#answer + 1] = counter.used
    answer[#answer + 1] = resetOf(counter)
    answer[#answer + 1] = markOf(counter)
  end
end

for key, counters in pairs(scopes) do
  write(KEYS[key], counters)
  for _, counter in pairs(counters) do
    local lasts = counter.meter[5]
    if counter.held and redis.call('PTTL', KEYS[key]) < lasts then
      redis.call('PEXPIRE', KEYS[key], string.format('%.0f', lasts))
    end
  end
end
return answer
`)

/**
 * Settles what was taken, and counts what was used without being asked for, in the windows that it belongs to; a window
 * that is over has nothing left to count. Carried out once, however often it is sent.
 *
 * KEYS[1]: the number of the last settlement of this sender, the others: scopes. ARGV[1]: JSON `{m: [meter, …],
 * c: [[key, meter, difference, mark, taken] or [key, meter, amount, used at], …]}`; ARGV[2]: the settlement's number;
 * ARGV[3]: how long to remember it, ms. Returns 1, or 0 when the boundaries of a time zone are not around Redis's
 * time, and that time in ms.
 */
export const SETTLE = defineScript(`${LUA_COUNTERS}
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[2]) then return {1, now} end
local asked = cjson.decode(ARGV[1])
if not zonesFit(asked.m) then return {0, now} end

local function correct(counter, difference, mark, taken)
  local meter = counter.meter
  local kind = meter[2]
  if kind <= ZONED then
    if counter.stored and counter.mark == mark then add(counter, difference) end
  elseif kind == SLIDING and difference > 0 then
    -- Nobody had asked for it: it counts from now on.
    add(counter, difference)
  elseif kind == SLIDING then
    local i = counter.newest - mark
    if i >= 0 and i <= 8 then
      local corrected = math.min(MOST, math.max(0, counter[i] + difference))
      counter.used = counter.used + corrected - counter[i]
      counter[i] = corrected
      counter.changed = true
    end
  elseif difference > 0 then
    add(counter, difference)
  else
    -- Of what was taken some has flown off; only what is left of it can be given back.
    local left = math.min(taken, math.max(0, (mark / 1000 - now) * meter[3] / meter[5]))
    add(counter, -math.min(left, -difference))
  end
end

local function record(counter, amount, at)
  local meter = counter.meter
  local kind = meter[2]
  if kind <= ZONED then
    if at >= counter.starts and at < counter.ends then add(counter, amount) end
  elseif kind == SLIDING then
    local i = math.max(0, counter.newest - math.floor(at / meter[5]))
    if i <= 8 then
      counter[i] = math.min(MOST, counter[i] + amount)
      counter.used = math.min(MOST, counter.used + amount)
      counter.changed = true
    end
  else
    local left = amount - math.max(0, now - at) * meter[3] / meter[5]
    if left > 0 then add(counter, left) end
  end
end

local scopes = {}
for _, change in ipairs(asked.c) do
  local key = change[1]
  local meter = asked.m[change[2]]
  scopes[key] = scopes[key] or {}
  local counter = scopes[key][meter[1]]
  if not counter then
    counter = read(KEYS[key], meter)
    scopes[key][meter[1]] = counter
  end
  if change[5] then
    correct(counter, change[3], change[4], change[5])
  else
    record(counter, change[3], change[4])
  end
end
for key, counters in pairs(scopes) do write(KEYS[key], counters) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {1, now}
`)

/** Forgets what was counted. KEYS[1]: a scope; ARGV[1]: a field. */
export const RESET = defineScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local window = stored and string.match(stored, '^(z?%d+):')
if window then
  redis.call('HSET', KEYS[1], ARGV[1], window .. string.format(':0:%.0f', now))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
`)

/** Since when this Redis remembers, epoch ms. KEYS[1]: where it is written. */
export const BIRTH = defineScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
return redis.call('GET', KEYS[1])
`)

/** Whether nobody has claimed KEYS[1] so far; the claim lasts ARGV[1] ms. */
export const CLAIM = defineScript(
  `return redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) and 1 or 0`,
)

/** Kong's counter of one period: KEYS[1] grows by ARGV[1] and lasts ARGV[2] seconds from its first use. */
export const COUNT_AS_KONG = defineScript(`
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
`)

/** Kong never does; an operator may. KEYS[1]: the counter. */
export const FORGET_AS_KONG = defineScript(`return redis.call('DEL', KEYS[1])`)

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

/**
 * A replica still holds what it holds: its leases start anew. One that had expired is taken again, whatever the limit.
 *
 * KEYS: leases of a scope and meter. ARGV[1]: JSON `{h: holder, l: [[ms a lease lasts, number, …], …]}`, one per key.
 */
export const RENEW = defineScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local asked = cjson.decode(ARGV[1])
for i, leases in ipairs(asked.l) do
  local score = string.format('%.0f', now + leases[1])
  for at = 2, #leases do
    redis.call('ZADD', KEYS[i], score, asked.h .. ':' .. string.format('%.0f', leases[at]))
  end
  if redis.call('PTTL', KEYS[i]) < leases[1] then redis.call('PEXPIRE', KEYS[i], leases[1]) end
end
return 0
`)

/** The opposite: KEYS and ARGV[1] as in `RENEW`; what is not held any more is no fault. */
export const RELEASE = defineScript(`
local asked = cjson.decode(ARGV[1])
for i, leases in ipairs(asked.l) do
  for at = 2, #leases do
    redis.call('ZREM', KEYS[i], asked.h .. ':' .. string.format('%.0f', leases[at]))
  end
end
return 0
`)
