/**
 * Whether the response to a request may have content: a HEAD request's and the statuses 204 and 304 never do, whatever
 * their `Content-Length` says (RFC 9112 §6.3).
 */
export function mayHaveContent(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304
}
