/**
 * The Lua that all scripts share: Redis's own time, windows, and what a counter looks like.
 *
 * Time is Redis's own: replicas whose clocks differ agree (F60). A clock that steps back over the end of a window does
 * not open it again, and one that was far ahead for a while leaves nothing behind that is never forgotten (F59).
 *
 * A scope is one hash, so that all its meters are one key (in a cluster: one slot) and one look-up; a field is a meter.
 * Its value says of which kind it is, so that a meter whose window was changed starts anew:
 *
 *     <ordinal>:<count>[:<epoch ms>]    a window of the UTC calendar, and when it was reset
 *     z<start, epoch s>:<count>[:…]     a window of the calendar of a time zone
 *     s<newest bucket>:<count>,…        sliding: the newest bucket first, each an eighth of the length
 *     g<epoch ms>:<level>               GCRA: how full the bucket was then
 *
 * What is held (concurrency) is a sorted set of its own per scope and meter: leases by the time they expire.
 *
 * A meter is an array: field, kind (1 … 7 the UTC periods from second to year), limit, 1 when it never refuses, and what
 * its kind needs: 8 zoned: three boundaries around now; 9 sliding: the length of a bucket; 10 GCRA: length, burst;
 * 11 leases: how long they last. All times are ms.
 */
export const LUA_COUNTERS = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local ZONED, SLIDING, GCRA, LEASES = 8, 9, 10, 11
local MOST = 9007199254740991
local DAY = 86400000
local FIRST = 1577836800000
local FIRST_MONDAY = FIRST - 2 * DAY
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
  if period == 7 then return year, today - day * DAY, today + (length - day) * DAY end
  local lengths = {31, isLeap(year) and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
  local month = 1
  while day >= lengths[month] do
    day = day - lengths[month]
    month = month + 1
  end
  return year * 12 + month - 1, today - day * DAY, today + (lengths[month] - day) * DAY
end

local utcWindows = {}
local function windowOf(meter)
  local kind = meter[2]
  if kind == ZONED then
    local first, second, third = meter[5], meter[6], meter[7]
    if now < second then
      return {ordinal = first / 1000, later = second / 1000, starts = first, ends = second}
    end
    return {ordinal = second / 1000, later = third / 1000, starts = second, ends = third}
  end
  local window = utcWindows[kind]
  if window then return window end
  local length = LENGTHS[kind]
  local first = FIRST
  if kind == 5 then
    length = 7 * DAY
    first = FIRST_MONDAY
  end
  if length then
    local ordinal = math.floor((now - first) / length)
    local starts = first + ordinal * length
    window = {ordinal = ordinal, later = ordinal + 1, starts = starts, ends = starts + length}
  else
    local ordinal, starts, ends = monthOrYear(kind)
    window = {ordinal = ordinal, later = ordinal + 1, starts = starts, ends = ends}
  end
  utcWindows[kind] = window
  return window
end

-- Whether the boundaries that the gateway knows of are around now.
local function zonesFit(meters)
  for _, meter in ipairs(meters) do
    if meter[2] == ZONED and (now < meter[5] or now >= meter[7]) then return false end
  end
  return true
end

local function readCalendar(key, meter)
  local window = windowOf(meter)
  local counter = {ordinal = window.ordinal, starts = window.starts, ends = window.ends, used = 0}
  local stored = redis.call('HGET', key, meter[1])
  if stored then
    local pattern = meter[2] == ZONED and '^z(%d+):(%d+):?(%d*)$' or '^(%d+):(%d+):?(%d*)$'
    local ordinal, count, reset = string.match(stored, pattern)
    ordinal = tonumber(ordinal)
    if ordinal and (ordinal == window.ordinal or ordinal == window.later) then
      counter.ordinal = ordinal
      counter.used = tonumber(count)
      counter.reset = tonumber(reset)
      counter.stored = true
    end
  end
  -- What was taken before a reset is not given back after it.
  counter.mark = counter.reset or counter.ordinal
  return counter
end

local function readSliding(key, meter)
  local newest = math.floor(now / meter[5])
  local counter = {newest = newest, used = 0}
  for i = 0, 8 do counter[i] = 0 end
  local stored, counts = string.match(redis.call('HGET', key, meter[1]) or '', '^s(%d+):([%d,]+)$')
  stored = tonumber(stored)
  if stored and stored <= newest + 9 then
    if stored > newest then counter.newest = stored end
    local i = counter.newest - stored
    for count in string.gmatch(counts, '%d+') do
      if i > 8 then break end
      counter[i] = tonumber(count)
      counter.used = counter.used + counter[i]
      i = i + 1
    end
  end
  return counter
end

local function readLevel(key, meter)
  local counter = {level = 0, used = 0}
  local at, level = string.match(redis.call('HGET', key, meter[1]) or '', '^g(%d+):(.+)$')
  if at then
    at = tonumber(at)
    -- The clock stepped back: from now on it flows again.
    if at > now then counter.changed = true end
    local flown = math.max(0, now - at) * meter[3] / meter[5]
    counter.level = math.max(0, tonumber(level) - flown)
    counter.used = math.max(0, math.ceil(counter.level - 0.000001))
  end
  return counter
end

-- A lease that lasts longer than it can was made before the clock stepped back.
local function readLeases(key, meter)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  local latest = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  if latest[2] and tonumber(latest[2]) > now + meter[5] then
    local score = string.format('%.0f', now + meter[5])
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. score, '+inf')) do
      redis.call('ZADD', key, score, member)
    end
  end
  return {used = redis.call('ZCARD', key)}
end

local function read(key, meter)
  local kind = meter[2]
  local counter
  if kind <= ZONED then counter = readCalendar(key, meter)
  elseif kind == SLIDING then counter = readSliding(key, meter)
  elseif kind == GCRA then counter = readLevel(key, meter)
  else counter = readLeases(key, meter) end
  counter.meter = meter
  counter.asked = 0
  return counter
end

-- Adds an amount, also a negative one, to what is counted now.
local function add(counter, amount)
  local kind = counter.meter[2]
  if kind == GCRA then
    counter.level = math.min(MOST, math.max(0, counter.level + amount))
    counter.used = math.max(0, math.ceil(counter.level - 0.000001))
  else
    if kind == SLIDING then counter[0] = math.min(MOST, math.max(0, counter[0] + amount)) end
    counter.used = math.min(MOST, math.max(0, counter.used + amount))
  end
  counter.changed = true
end

-- In how many ms everything counted is forgotten.
local function resetOf(counter)
  local meter = counter.meter
  local kind = meter[2]
  if kind <= ZONED then return counter.ends - now end
  if kind == GCRA then return math.ceil(counter.level * meter[5] / meter[3] - 0.000001) end
  if kind == SLIDING then
    for i = 0, 8 do
      if counter[i] > 0 then return (counter.newest - i + 9) * meter[5] - now end
    end
  end
  return 0
end

local function write(key, counters)
  local fields = {}
  local keep = 0
  for field, counter in pairs(counters) do
    local meter = counter.meter
    local kind = meter[2]
    if counter.changed and kind ~= LEASES then
      fields[#fields + 1] = field
      if kind <= ZONED then
        local pattern = kind == ZONED and 'z%.0f:%.0f' or '%.0f:%.0f'
        local value = string.format(pattern, counter.ordinal, counter.used)
        if counter.reset then value = value .. string.format(':%.0f', counter.reset) end
        fields[#fields + 1] = value
        if not counter.stored then keep = math.max(keep, counter.ends - now + 2000) end
      elseif kind == SLIDING then
        local counts = {}
        for i = 0, 8 do counts[i + 1] = string.format('%.0f', counter[i]) end
        local last = 9
        while last > 1 and counts[last] == '0' do last = last - 1 end
        local list = table.concat(counts, ',', 1, last)
        fields[#fields + 1] = string.format('s%.0f:', counter.newest) .. list
        keep = math.max(keep, resetOf(counter) + 2000)
      else
        fields[#fields + 1] = string.format('g%.0f:%.17g', now, counter.level)
        keep = math.max(keep, resetOf(counter) + 2000)
      end
    end
  end
  if #fields == 0 then return end
  redis.call('HSET', key, unpack(fields))
  if keep > 0 and redis.call('PTTL', key) < keep then
    redis.call('PEXPIRE', key, string.format('%.0f', keep))
  end
end
`
