import type { Saved } from '@pratu/plugin-kit'
import type { FieldRule } from '../observe/index.ts'
import type { Charge, CounterReset, RecordedUsage, UsageRecord } from './usage-record.ts'

/** Readers take this version and leave out members that they do not know (docs/journal.md). */
const VERSION = 1

/** Names that come from clients are cut: a record is figures, not a place for text (S47). */
const MAX_NAME_LENGTH = 128

const quote = JSON.stringify

/** Wire name and member of each count, in the order of the file. Zeros are left out. */
const COUNTS = [
  ['input', 'inputUncached'],
  ['cache_read', 'cacheRead'],
  ['cache_write', 'cacheWrite'],
  ['cache_write_long', 'cacheWriteLong'],
  ['audio_input', 'audioInput'],
  ['output', 'outputText'],
  ['reasoning', 'reasoning'],
  ['audio_output', 'audioOutput'],
  ['web_searches', 'webSearches'],
] as const satisfies readonly (readonly [string, keyof RecordedUsage])[]

/** The object without its closing brace, so that a seal can follow. */
export function recordText(record: UsageRecord, rule: FieldRule): string {
  let text = `{"v":${VERSION},"id":${quote(record.id)},"at":${record.atMs},"started_at":${record.startedAtMs}`
  const name = (field: NamedField, value: string | undefined): void => {
    const shown =
      value === undefined ? undefined : rule.shown(field, value.slice(0, MAX_NAME_LENGTH))
    if (shown !== undefined) text += `,"${field}":${quote(shown)}`
  }
  name('replica', record.replica)
  text += `,"outcome":${quote(record.outcome)},"status":${record.status}`
  name('consumer', record.consumer)
  name('credential', record.credential)
  if (record.tags.length > 0 && !rule.drops('tags')) {
    text += `,"tags":${quote(record.tags.map((tag) => rule.shown('tags', tag)))}`
  }
  name('route', record.route)
  name('service', record.service)
  name('provider', record.provider)
  name('model', record.model)
  if (record.usage !== undefined) text += usageText(record.usage)
  if (record.costNanoDollars !== undefined) text += `,"cost_nano_dollars":${record.costNanoDollars}`
  if (record.costEstimated) text += ',"cost_estimated":true'
  text += `,"streamed":${record.streamed},"cached":${record.cached}`
  if (record.saved !== undefined) text += savedText(record.saved)
  if (record.charges.length > 0 && !rule.drops('charges')) {
    const charges = record.charges.map(({ meter, scope, amount }) => [meter, scope, amount])
    text += `,"charges":${quote(charges)}`
  }
  if (record.resets.length > 0) {
    text += `,"resets":${quote(record.resets.map(({ meter, scope }) => [meter, scope]))}`
  }
  return text
}

function savedText({ promptTokens, completionTokens, nanoDollars }: Saved): string {
  const dollars = nanoDollars === undefined ? '' : `,"nano_dollars":${Math.round(nanoDollars)}`
  return `,"saved":{"prompt_tokens":${promptTokens},"completion_tokens":${completionTokens}${dollars}}`
}

type NamedField = 'replica' | 'consumer' | 'credential' | 'route' | 'service' | 'provider' | 'model'

function usageText(usage: RecordedUsage): string {
  let counts = ''
  for (const [wire, member] of COUNTS) {
    const count = usage[member]
    if (count > 0) counts += `${counts === '' ? '' : ','}"${wire}":${count}`
  }
  const tier = usage.serviceTier === undefined ? '' : `,"service_tier":${quote(usage.serviceTier)}`
  return `,"usage":{${counts}},"usage_source":${quote(usage.source)}${tier}`
}

/** @returns `undefined` for what is no record of a version that we know. */
export function parseRecord(json: string): UsageRecord | undefined {
  const parsed = parseObject(json)
  if (parsed === undefined || parsed['v'] !== VERSION) return undefined
  const id = textOf(parsed['id'])
  const atMs = countOf(parsed['at'])
  if (id === undefined || atMs === undefined) return undefined
  return {
    id,
    atMs,
    startedAtMs: countOf(parsed['started_at']) ?? atMs,
    replica: textOf(parsed['replica']) ?? '',
    outcome: textOf(parsed['outcome']) ?? '',
    status: countOf(parsed['status']) ?? 0,
    consumer: textOf(parsed['consumer']),
    credential: textOf(parsed['credential']),
    tags: listOf(parsed['tags']).filter((tag) => typeof tag === 'string'),
    route: textOf(parsed['route']),
    service: textOf(parsed['service']),
    provider: textOf(parsed['provider']),
    model: textOf(parsed['model']),
    usage: usageOf(parsed),
    costNanoDollars: countOf(parsed['cost_nano_dollars']),
    costEstimated: parsed['cost_estimated'] === true,
    streamed: parsed['streamed'] === true,
    cached: parsed['cached'] === true,
    saved: savedOf(objectOf(parsed['saved'])),
    charges: listOf(parsed['charges']).flatMap(chargeOf),
    resets: listOf(parsed['resets']).flatMap(resetOf),
  }
}

function usageOf(parsed: Members): RecordedUsage | undefined {
  const counts = objectOf(parsed['usage'])
  if (counts === undefined) return undefined
  const source = textOf(parsed['usage_source'])
  const count = (wire: string): number => countOf(counts[wire]) ?? 0
  return {
    inputUncached: count('input'),
    cacheRead: count('cache_read'),
    cacheWrite: count('cache_write'),
    cacheWriteLong: count('cache_write_long'),
    audioInput: count('audio_input'),
    outputText: count('output'),
    reasoning: count('reasoning'),
    audioOutput: count('audio_output'),
    webSearches: count('web_searches'),
    serviceTier: textOf(parsed['service_tier']),
    source: source === 'provider' || source === 'estimated' ? source : 'none',
  }
}

function savedOf(saved: Members | undefined): Saved | undefined {
  if (saved === undefined) return undefined
  return {
    promptTokens: countOf(saved['prompt_tokens']) ?? 0,
    completionTokens: countOf(saved['completion_tokens']) ?? 0,
    nanoDollars: countOf(saved['nano_dollars']),
  }
}

function chargeOf(value: unknown): readonly Charge[] {
  const [meter, scope, amount] = listOf(value)
  const whole = countOf(amount)
  if (typeof meter !== 'string' || typeof scope !== 'string' || whole === undefined) return []
  return [{ meter, scope, amount: whole }]
}

function resetOf(value: unknown): readonly CounterReset[] {
  const [meter, scope] = listOf(value)
  return typeof meter === 'string' && typeof scope === 'string' ? [{ meter, scope }] : []
}

type Members = Readonly<Record<string, unknown>>

function parseObject(json: string): Members | undefined {
  try {
    return objectOf(JSON.parse(json))
  } catch {
    return undefined
  }
}

function objectOf(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : undefined
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
