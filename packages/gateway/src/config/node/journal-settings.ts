import { Secret } from '../entities.ts'
import type { JournalSettings, RedactionSettings } from '../node-settings.ts'
import type { SettingReader } from './setting-reader.ts'
import * as kind from './values.ts'

const MIB = 1024 * 1024
/** The longest month, the day before it in any time zone, and some: a budget of a calendar month can be counted again. */
const DEFAULT_RETENTION_DAYS = 35
/** Timers and calendars hold more, disks do not. */
const LONGEST_RETENTION_DAYS = 3660

/**
 * A place switches the journal on: a directory means files, a Redis means a stream there. Without either it is off, since
 * there is no place that every node has: a container's root file system is read-only as a rule, and gone with it.
 */
export function journalOf(reader: SettingReader): JournalSettings {
  const directory = reader.optional('journalDirectory', kind.text)
  const redisUrl = reader.optional('journalRedisUrl', kind.redisUrl)
  const place = redisUrl !== undefined ? 'redis-stream' : directory !== undefined ? 'file' : 'off'
  const sink = reader.value('journal', kind.oneOf('off', 'file', 'redis-stream'), place)
  const name = reader.find('journal')?.name ?? ''
  if (sink === 'file' && directory === undefined)
    reader.problems.push(`${name}: 'file' needs a directory; set PRATU_JOURNAL_DIR`)
  if (sink === 'redis-stream' && redisUrl === undefined)
    reader.problems.push(`${name}: 'redis-stream' needs a Redis; set PRATU_JOURNAL_REDIS_URL`)
  const settings: JournalSettings = {
    sink,
    directory,
    redisUrl: redisUrl === undefined ? undefined : new Secret(redisUrl),
    stream: reader.value('journalStream', kind.text, 'pratu:journal'),
    sync: reader.value('journalSync', kind.oneOf('always', '1s', 'never'), '1s'),
    maxBytes: reader.value('journalMaxBytes', kind.size(MIB), 1024 * MIB),
    retentionDays: reader.value(
      'journalRetentionDays',
      kind.wholeNumber(1, LONGEST_RETENTION_DAYS),
      DEFAULT_RETENTION_DAYS,
    ),
    bufferBytes: reader.value('journalBufferBytes', kind.size(64 * 1024), 16 * MIB),
    traffic: reader.value('journalTraffic', kind.oneOf('ai', 'all'), 'ai'),
    onError: reader.value('journalOnError', kind.oneOf('continue', 'reject'), 'continue'),
  }
  if (sink === 'file' && redisUrl !== undefined)
    reader.warn('PRATU_JOURNAL_REDIS_URL has no effect: PRATU_JOURNAL says file')
  return settings
}

export function redactionOf(reader: SettingReader): RedactionSettings {
  const key = reader.optional('redactKey', kind.text)
  return {
    fields: new Map(reader.value('redactFields', kind.list(kind.redaction), [])),
    key: key === undefined ? undefined : new Secret(key),
  }
}
