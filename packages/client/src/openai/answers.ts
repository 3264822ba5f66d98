import { isRecord } from '../json.ts'
import type { ChatChunk } from './chat-chunk.ts'
import type { ChatCompletion } from './chat-completion.ts'
import type { Embeddings } from './embeddings.ts'
import type { ModelList } from './models.ts'

// The edge: what is looked at is what tells an answer from something else; fields pass as the provider sent them.

export function isChatCompletion(body: unknown): body is ChatCompletion {
  return (
    isRecord(body) &&
    body['error'] == null &&
    Array.isArray(body['choices']) &&
    body['choices'].every((choice) => isRecord(choice) && isRecord(choice['message']))
  )
}

export function isChatChunk(event: unknown): event is ChatChunk {
  return (
    isRecord(event) &&
    Array.isArray(event['choices']) &&
    event['choices'].every((choice) => isRecord(choice) && isRecord(choice['delta']))
  )
}

export function isEmbeddings(body: unknown): body is Embeddings {
  return (
    isRecord(body) &&
    Array.isArray(body['data']) &&
    body['data'].every((one) => isRecord(one) && Array.isArray(one['embedding']))
  )
}

export function isModelList(body: unknown): body is ModelList {
  return (
    isRecord(body) &&
    Array.isArray(body['data']) &&
    body['data'].every((one) => isRecord(one) && typeof one['id'] === 'string')
  )
}
