import type { Provider } from '../../config/index.ts'

type CredentialFields = readonly (readonly [name: string, value: string])[]

/** How the kinds of provider that differ from `Authorization: Bearer` want their key (llm-apis.md §1). */
const FIELDS: ReadonlyMap<string, (key: string) => CredentialFields> = new Map([
  ['anthropic', (key) => [['x-api-key', key]]],
  ['gemini', (key) => [['x-goog-api-key', key]]],
  ['azure-openai', (key) => [['api-key', key]]],
])

const bearer = (key: string): CredentialFields => [['Authorization', `Bearer ${key}`]]

/**
 * The header fields that carry a provider's credential, which replace the caller's (S18). Several keys take turns.
 *
 * @returns `undefined` for a provider without a key, such as a local server.
 */
export function createCredentialHeaders(provider: Provider): (() => CredentialFields) | undefined {
  const { apiKeys } = provider
  if (apiKeys.length === 0) return undefined
  const fields = FIELDS.get(provider.kind) ?? bearer
  let turn = 0
  return () => {
    const key = apiKeys[turn]
    turn = (turn + 1) % apiKeys.length
    return key === undefined ? [] : fields(key.reveal())
  }
}
