import { HeaderList } from '../../http/index.ts'
import type {
  Try,
  UpstreamCall,
  UpstreamClient,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamSink,
  UpstreamTargeting,
} from '../../upstream/index.ts'

/** One call as the upstream sees it; the test answers it. */
export class FakeCall implements UpstreamCall {
  readonly request: UpstreamRequest
  readonly tries: Try[] = []
  cancelled = false
  resumed = 0
  readonly #sink: UpstreamSink

  constructor(request: UpstreamRequest, sink: UpstreamSink) {
    this.request = request
    this.#sink = sink
  }

  /** The fields sent, by lower-case name; repeated ones joined by `, `. */
  get fields(): Readonly<Record<string, string>> {
    const fields: Record<string, string> = Object.create(null)
    const { headers } = this.request
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]?.toLowerCase() ?? ''
      const value = headers[i + 1] ?? ''
      fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`
    }
    return fields
  }

  cancel(): void {
    this.cancelled = true
  }

  resume(): void {
    this.resumed++
  }

  sending(): void {
    this.#sink.sending()
  }

  head(status = 200, flat: readonly string[] = []): void {
    this.#sink.sending()
    this.#sink.head(status, new HeaderList([...flat]))
  }

  data(text: string): boolean {
    return this.#sink.data(Buffer.from(text))
  }

  end(): void {
    this.#sink.end()
  }

  fail(code: UpstreamFailure['code'], cause: Error = new Error(`10.1.2.3 ${code}`)): void {
    this.#sink.fail({ code, cause, requestSent: 'all', responseBytes: 0 })
  }

  answer(status = 200, flat: readonly string[] = [], body = ''): void {
    this.head(status, flat)
    if (body !== '') this.data(body)
    this.end()
  }
}

/** An upstream that answers when, and what, the test says. */
export class FakeUpstream implements UpstreamClient {
  readonly calls: FakeCall[] = []
  /** Thrown by `send`. */
  broken: Error | undefined

  /** The last call. @throws {Error} when there was none. */
  get call(): FakeCall {
    const call = this.calls.at(-1)
    if (call === undefined) throw new Error('nothing was sent upstream')
    return call
  }

  send(_targeting: UpstreamTargeting, request: UpstreamRequest, sink: UpstreamSink): UpstreamCall {
    if (this.broken !== undefined) throw this.broken
    const call = new FakeCall(request, sink)
    this.calls.push(call)
    return call
  }

  connections(): number {
    return 0
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
