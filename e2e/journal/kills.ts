/** A gateway that is killed again and again under load, and what its journal then knows (F77, T12). */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordedRequest } from '@pratu/simulator'
import { startSimulator } from '@pratu/simulator'
import { readSegments, type UsageRecord } from '../../packages/gateway/src/journal/index.ts'
import { chat } from '../gateway.ts'
import { startPratu } from '../pratu-process.ts'

export interface KillsGiven {
  readonly directory: string
  readonly sync: 'always' | '1s' | 'never'
  readonly kills: number
  readonly workers?: number
  /** Shortest and longest load before a kill, ms. */
  readonly loadMs: readonly [number, number]
  readonly clients?: number
  readonly seed?: string
  readonly onKill?: (round: number) => void
}

/** An answer that a client has had to its last byte. */
export interface Delivered {
  readonly id: string
  readonly totalTokens: number
  /** From its last byte to the kill. */
  readonly beforeKillMs: number
}

export interface KillsResult {
  readonly delivered: readonly Delivered[]
  readonly records: readonly UsageRecord[]
  readonly torn: number
  readonly damaged: number
  /** What the provider answered in full, by the id that the gateway gave the request. */
  readonly answered: ReadonlySet<string>
}

export async function killAtRandom(given: KillsGiven): Promise<KillsResult> {
  const { directory, sync, kills, workers = 1, loadMs, clients = 8, seed = 'kills' } = given
  await using simulator = closing(await startSimulator({ record: { maxRequests: 1_000_000 } }))
  const configuration = `_format_version: "3.0"
services:
- name: chat
  url: ${simulator.it.url}/v1/chat/completions
  routes: [{name: chat, paths: [/v1/chat/completions], strip_path: false}]
`
  const delivered: Delivered[] = []
  for (let round = 0; round < kills; round++) {
    const gateway = await startPratu({
      configuration,
      environment: {
        PRATU_JOURNAL_DIR: directory,
        PRATU_JOURNAL_SYNC: sync,
        PRATU_WORKERS: String(workers),
        PRATU_PROXY_ACCESS_LOG: 'off',
      },
    })
    const done: { id: string; totalTokens: number; atMs: number }[] = []
    let running = true
    const client = async (number: number): Promise<void> => {
      for (let i = 0; running; i++) {
        try {
          const isStream = (number + i) % 2 === 0
          const answer = await ask(`${gateway.proxyUrl}/v1/chat/completions`, isStream)
          done.push({ ...answer, atMs: performance.now() })
        } catch {
          // The gateway was killed: this answer has no last byte.
          return
        }
      }
    }
    const all = Array.from({ length: clients }, (_, number) => client(number))
    await sleep(loadMs[0] + (loadMs[1] - loadMs[0]) * fraction(`${seed} ${round}`))
    const killedAtMs = performance.now()
    gateway.signal('SIGKILL')
    await gateway.exited
    running = false
    await Promise.all(all)
    await gateway.stop()
    for (const { id, totalTokens, atMs } of done)
      delivered.push({ id, totalTokens, beforeKillMs: killedAtMs - atMs })
    given.onKill?.(round)
  }
  const records: UsageRecord[] = []
  const { torn, damaged } = await readSegments(directory, (record) => records.push(record))
  const answered = new Set(simulator.it.requests.filter(isAnswered).map(idOf))
  return { delivered, records, torn, damaged, answered }
}

/** @throws {Error} when the answer is not complete. */
async function ask(
  url: string,
  isStream: boolean,
): Promise<{ readonly id: string; readonly totalTokens: number }> {
  const more = isStream ? { stream: true, stream_options: { include_usage: true } } : {}
  const answer = await fetch(url, chat(more))
  const text = await answer.text()
  const [, total] = /"total_tokens":\s*(\d+)/.exec(text) ?? []
  if (answer.status !== 200 || total === undefined) throw new Error(`${answer.status} ${text}`)
  return { id: answer.headers.get('x-kong-request-id') ?? '', totalTokens: Number(total) }
}

function isAnswered({ events }: RecordedRequest): boolean {
  return events.some(({ type }) => type === 'response-end')
}

function idOf(request: RecordedRequest): string {
  return request.header('x-kong-request-id') ?? ''
}

/** From 0 to 1, the same for the same text. */
function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}

function closing<T extends { close(): Promise<void> }>(it: T) {
  return { it, [Symbol.asyncDispose]: () => it.close() }
}

/** What is wrong with a journal after all these kills; empty when nothing is. */
export function judgeKills(
  { delivered, records, damaged, answered }: KillsResult,
  sync: KillsGiven['sync'],
): readonly string[] {
  const problems: string[] = []
  const byId = new Map(records.map((record) => [record.id, record]))
  if (byId.size !== records.length) problems.push(`${records.length - byId.size} duplicates`)
  if (damaged > 0) problems.push(`${damaged} damaged lines`)
  const safeMs = sync === 'always' ? 0 : 1000
  for (const { id, totalTokens, beforeKillMs } of delivered) {
    if (beforeKillMs <= safeMs) continue
    const usage = byId.get(id)?.usage
    if (usage === undefined) {
      problems.push(`${id} is lost, ${Math.round(beforeKillMs)} ms before the kill`)
      continue
    }
    const { inputUncached, cacheRead, outputText, reasoning } = usage
    const total = inputUncached + cacheRead + outputText + reasoning
    if (total !== totalTokens) problems.push(`${id}: ${total} tokens, not ${totalTokens}`)
  }
  for (const { id, outcome, usage } of records) {
    if (outcome === 'ok' && usage?.source === 'provider' && !answered.has(id))
      problems.push(`${id} was never answered`)
  }
  return problems
}
