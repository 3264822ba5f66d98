import { defineScript } from '../redis/index.ts'

/**
 * Appends lines once, however often they are sent.
 *
 * KEYS: the stream; the number of the last batch of this writer. ARGV: the batch's number; how long to remember it, ms;
 * about how many records may stay; the epoch ms before which none shall; then the lines. Returns how many were appended.
 */
export const APPEND = defineScript(`
local last = redis.call('GET', KEYS[2])
if last and tonumber(last) >= tonumber(ARGV[1]) then return 0 end
for i = 5, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'r', ARGV[i])
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
-- Redis before 6.2 knows no MINID: there the number of records alone keeps the stream small.
redis.pcall('XTRIM', KEYS[1], 'MINID', '~', ARGV[4])
return #ARGV - 4
`)

/** KEYS[1]: the stream. ARGV: the first id; how many. Returns ids and lines by turns. */
export const READ = defineScript(`
local found = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  found[#found + 1] = entry[1]
  found[#found + 1] = entry[2][2]
end
return found
`)
