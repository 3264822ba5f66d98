import { randomBytes } from 'node:crypto'

/** What a first start without a configuration proxies to. */
export interface DemoUpstream {
  /** The service's URL, path included. */
  readonly url: string
  /** For people: `the built-in simulator`, `OpenAI`, … */
  readonly label: string
  readonly model: string
  /** Kind and environment variable of the provider; `undefined` for the simulator. */
  readonly provider: { readonly kind: string; readonly variable: string } | undefined
}

/** Providers that a demo goes to when their key is in the environment, first match first. */
const KNOWN_PROVIDERS: readonly (DemoUpstream & { readonly provider: object })[] = [
  {
    url: 'https://api.openai.com/v1/chat/completions',
    label: 'OpenAI',
    model: 'gpt-4.1-mini',
    provider: { kind: 'openai', variable: 'OPENAI_API_KEY' },
  },
  {
    url: 'https://api.anthropic.com/v1/messages',
    label: 'Anthropic',
    model: 'claude-sonnet-4-5',
    provider: { kind: 'anthropic', variable: 'ANTHROPIC_API_KEY' },
  },
  {
    url: 'https://api.deepseek.com/v1/chat/completions',
    label: 'DeepSeek',
    model: 'deepseek-chat',
    provider: { kind: 'deepseek', variable: 'DEEPSEEK_API_KEY' },
  },
  {
    url: 'https://api.mistral.ai/v1/chat/completions',
    label: 'Mistral',
    model: 'mistral-small-latest',
    provider: { kind: 'mistral', variable: 'MISTRAL_API_KEY' },
  },
  {
    url: 'https://api.groq.com/openai/v1/chat/completions',
    label: 'Groq',
    model: 'llama-3.3-70b-versatile',
    provider: { kind: 'groq', variable: 'GROQ_API_KEY' },
  },
]

/** The provider whose key is in the environment, if any. */
export function demoProvider(
  environment: Readonly<Record<string, string | undefined>>,
): DemoUpstream | undefined {
  return KNOWN_PROVIDERS.find(({ provider }) => {
    const value = environment[(provider as { variable: string }).variable]
    return value !== undefined && value !== ''
  })
}

/** A key of 192 random bits that is easy to recognise in a log or a leak scanner. */
export function newKey(): string {
  return `pratu_${randomBytes(24).toString('base64url')}`
}

/** The request path that clients use for the demo's upstream. */
export function demoPath({ url }: DemoUpstream): string {
  return url.endsWith('/messages') ? '/v1/messages' : '/v1/chat/completions'
}

/** The demo's configuration: everything on, one consumer, one key. */
export function demoConfiguration(upstream: DemoUpstream, key: string): string {
  const providerLines =
    upstream.provider === undefined
      ? ''
      : `providers:
- name: demo
  kind: ${upstream.provider.kind}
  api_key: $(${upstream.provider.variable})
`
  return `_format_version: "3.0"
${providerLines}services:
- name: demo
  url: ${upstream.url}
${upstream.provider === undefined ? '' : '  provider: demo\n'}  routes:
  - name: demo
    paths: [${demoPath(upstream)}]
  plugins:
  - name: key-auth
  - name: rate-limiting
    config: {minute: 60, policy: local}
  - name: proxy-cache
    config:
      strategy: memory
      request_method: [POST]
      response_code: [200]
      content_type: [application/json]
      cache_ttl: 300
plugins:
- name: correlation-id
  config: {echo_downstream: true}
- name: prometheus
  config: {per_consumer: true, status_code_metrics: true, latency_metrics: true}
consumers:
- username: demo
  keyauth_credentials:
  - key: ${key}
`
}

/** The line that a newcomer pastes. */
export function demoCurl(
  upstream: DemoUpstream,
  origin: string,
  key: string,
  stream: boolean,
): string {
  const body = {
    model: upstream.model,
    ...(upstream.url.endsWith('/messages') ? { max_tokens: 200 } : {}),
    // Another question: an answer from the cache is there at once, and nobody would see it stream.
    messages: [{ role: 'user', content: stream ? 'Count to ten in Thai' : 'Say hello in Thai' }],
    ...(stream ? { stream: true } : {}),
  }
  const flags = stream ? '-sN' : '-s'
  const version = upstream.url.endsWith('/messages') ? " -H 'anthropic-version: 2023-06-01'" : ''
  return `curl ${flags} ${origin}${demoPath(upstream)} -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json'${version} -d '${JSON.stringify(body)}'`
}
