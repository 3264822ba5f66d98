import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { BatchCall } from '../client.ts'
import { isRecord, textOf } from '../json.ts'

/** One request of the input file. */
export interface BatchItem {
  readonly line: number
  /** `custom_id`, or `line-7` for a line without one. */
  readonly id: string
  readonly call: BatchCall
  /** Of the line as it stands, to notice that it is another than the one that was answered. */
  readonly hash: string
}

/** A line that cannot be sent, and why. */
export interface BadLine {
  readonly line: number
  readonly reason: string
}

/** The lines of a file with their numbers, from 1; empty ones are left out. */
export async function* readLines(
  path: string,
): AsyncGenerator<{ readonly line: number; readonly text: string }, void> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity })
  let line = 0
  for await (const text of lines) {
    line++
    const clean = line === 1 ? text.replace(/^\uFEFF/, '') : text
    if (clean.trim() !== '') yield { line, text: clean }
  }
}

/** Reads a line in one of two forms: the body of a chat completion, or OpenAI's batch line around a body. */
export function parseItem(line: number, text: string): BatchItem | BadLine {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { line, reason: `not JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  if (!isRecord(value)) return { line, reason: 'not a JSON object' }
  const { custom_id: customId, method, url, body, ...bare } = value
  if (customId !== undefined && (typeof customId !== 'string' || customId === ''))
    return { line, reason: 'custom_id must be text' }
  if (method !== undefined && method !== 'POST') return { line, reason: 'method must be POST' }
  const request = body ?? bare
  if (!isRecord(request)) return { line, reason: 'body must be an object' }
  if (request['stream'] === true) return { line, reason: 'stream: a batch cannot be streamed' }
  if (textOf(request, 'model') === undefined) return { line, reason: 'model is missing' }
  const call = callOf(url, request)
  if (typeof call === 'string') return { line, reason: call }
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16)
  return { line, id: customId ?? `line-${line}`, call, hash }
}

export function isBadLine(item: BatchItem | BadLine): item is BadLine {
  return 'reason' in item
}

/** @returns what is wrong, as text, when it is no call. */
function callOf(url: unknown, body: Readonly<Record<string, unknown>>): BatchCall | string {
  const path = url ?? '/v1/chat/completions'
  if (path === '/v1/chat/completions') {
    return isChatBody(body) ? { endpoint: 'chat', body } : 'messages must be a list, not empty'
  }
  if (path === '/v1/embeddings') {
    return isEmbeddingsBody(body) ? { endpoint: 'embeddings', body } : 'input is missing'
  }
  return `url must be /v1/chat/completions or /v1/embeddings, not ${JSON.stringify(path)}`
}

type Body<Endpoint> = Extract<BatchCall, { readonly endpoint: Endpoint }>['body']

// What is inside messages and input is the provider's to judge: it knows forms that nobody here does.

function isChatBody(body: object): body is Body<'chat'> {
  const messages: unknown = Reflect.get(body, 'messages')
  return Array.isArray(messages) && messages.length > 0
}

function isEmbeddingsBody(body: object): body is Body<'embeddings'> {
  const input: unknown = Reflect.get(body, 'input')
  return typeof input === 'string' || (Array.isArray(input) && input.length > 0)
}
