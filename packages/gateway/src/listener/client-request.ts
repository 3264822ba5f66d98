import type { HeaderView, RequestBody, RequestView } from '@pratu/plugin-kit'
import { HeaderList } from '../http/index.ts'
import type { ClientAddress } from './client-address.ts'
import type { RequestHead } from './head-parser.ts'

/** What a request shares with all others of its connection. */
export interface RequestOrigin {
  readonly peerIp: string
  readonly peerTrusted: boolean
  readonly port: number
  readonly clientAddress: ClientAddress
}

/** One well-formed request. */
export class ClientRequest implements RequestView {
  readonly method: string
  readonly httpVersion: '1.0' | '1.1'
  readonly scheme = 'http'
  readonly rawPath: string
  readonly path: string
  readonly rawQuery: string
  readonly host: string
  readonly headers: HeaderView
  readonly body: RequestBody
  readonly #origin: RequestOrigin
  #clientIp: string | undefined

  constructor(head: RequestHead, path: string, body: RequestBody, origin: RequestOrigin) {
    this.method = head.method
    this.httpVersion = head.httpVersion
    this.rawPath = head.target.rawPath
    this.path = path
    this.rawQuery = head.target.rawQuery
    this.host = head.host
    this.headers = new HeaderList(head.fields)
    this.body = body
    this.#origin = origin
  }

  get peerIp(): string {
    return this.#origin.peerIp
  }

  get peerTrusted(): boolean {
    return this.#origin.peerTrusted
  }

  get port(): number {
    return this.#origin.port
  }

  get clientIp(): string {
    this.#clientIp ??= this.#origin.peerTrusted
      ? this.#origin.clientAddress.resolve(this.#origin.peerIp, this.headers)
      : this.#origin.peerIp
    return this.#clientIp
  }
}
