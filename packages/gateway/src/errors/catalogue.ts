/**
 * Every error that the gateway itself can answer with. Only these messages reach a client; cause and detail go to the
 * log. `docs/errors.md` is held to exactly this list by a test. Kong's texts are those of kong.md §2.8.
 */
export const CATALOGUE = {
  // Listener: malformed or unacceptable requests
  bad_request: { status: 400, retryable: false, message: 'Bad request' },
  invalid_host: {
    status: 400,
    retryable: false,
    message: 'Bad request: the Host header is missing, repeated or malformed',
  },
  invalid_target: {
    status: 400,
    retryable: false,
    message: 'Bad request: the request target is malformed',
  },
  path_not_canonical: {
    status: 400,
    retryable: false,
    message:
      'Bad request: the path is not in canonical form (dot segments, backslashes, encoded slashes and NUL are refused)',
  },
  invalid_header: {
    status: 400,
    retryable: false,
    message: 'Bad request: a header field is malformed',
  },
  invalid_framing: {
    status: 400,
    retryable: false,
    message: 'Bad request: the body framing is ambiguous',
  },
  invalid_json: { status: 400, retryable: false, message: 'The request body is not valid JSON' },
  json_too_deep: {
    status: 400,
    retryable: false,
    message: 'The request body is nested too deeply',
  },
  json_too_wide: {
    status: 400,
    retryable: false,
    message: 'The request body has too many members',
  },
  json_duplicate_key: {
    status: 400,
    retryable: false,
    message: 'The request body repeats a member that must be unique',
  },
  method_not_allowed: { status: 405, retryable: false, message: 'Method not allowed' },
  request_timeout: { status: 408, retryable: true, message: 'Request timeout' },
  body_too_large: { status: 413, retryable: false, message: 'Payload too large' },
  uri_too_long: { status: 414, retryable: false, message: 'URI too long' },
  expectation_failed: { status: 417, retryable: false, message: 'Expectation failed' },
  headers_too_large: {
    status: 431,
    retryable: false,
    message: 'Request header or cookie too large',
  },
  http_version_not_supported: {
    status: 505,
    retryable: false,
    message: 'HTTP version not supported',
  },
  transfer_coding_not_supported: {
    status: 501,
    retryable: false,
    message: 'Transfer coding not supported',
  },
  // Routing
  no_route: { status: 404, retryable: false, message: 'no Route matched with those values' },
  no_service: { status: 503, retryable: false, message: 'no Service found with those values' },
  https_required: { status: 426, retryable: false, message: 'Please use HTTPS protocol' },
  // The gateway itself
  internal: { status: 500, retryable: true, message: 'An unexpected error occurred' },
  // Kong's answer, text and all, when a limit's Redis is away and `fault_tolerant` is false (kong.md §3.3).
  limit_store_unavailable: {
    status: 500,
    retryable: true,
    message: 'An unexpected error occurred',
  },
  journal_unavailable: {
    status: 503,
    retryable: true,
    message: 'Usage cannot be recorded right now, try again shortly',
  },
  overloaded: {
    status: 503,
    retryable: true,
    message: 'The gateway is overloaded, try again shortly',
  },
  too_many_connections: {
    status: 503,
    retryable: true,
    message: 'The gateway has too many connections, try again shortly',
  },
  not_ready: { status: 503, retryable: true, message: 'The gateway is not ready' },
  server_shutting_down: { status: 503, retryable: true, message: 'The gateway is shutting down' },
  // Limits
  rate_limit_exceeded: { status: 429, retryable: true, message: 'Too many requests' },
  token_limit_exceeded: { status: 429, retryable: true, message: 'Too many tokens' },
  concurrency_limit_exceeded: {
    status: 429,
    retryable: true,
    message: 'Too many requests at the same time',
  },
  budget_exceeded: { status: 429, retryable: false, message: 'The budget is spent' },
  model_unpriced: {
    status: 403,
    retryable: false,
    message: 'The price of this model is not known, and a budget here needs one',
  },
  // Upstream
  upstream_name_resolution: { status: 503, retryable: true, message: 'name resolution failed' },
  upstream_no_target: {
    status: 503,
    retryable: true,
    message: 'failure to get a peer from the ring-balancer',
  },
  upstream_unreachable: {
    status: 502,
    retryable: true,
    message: 'An invalid response was received from the upstream server',
  },
  upstream_tls_error: {
    status: 502,
    retryable: false,
    message: 'An invalid response was received from the upstream server',
  },
  upstream_protocol_error: {
    status: 502,
    retryable: true,
    message: 'An invalid response was received from the upstream server',
  },
  upstream_reset: {
    status: 502,
    retryable: true,
    message: 'An invalid response was received from the upstream server',
  },
  upstream_truncated: {
    status: 502,
    retryable: true,
    message: 'The upstream server ended its response before it was complete',
  },
  upstream_redirect: {
    status: 502,
    retryable: false,
    message: 'The upstream server answered with a redirect, which is not followed',
  },
  upstream_forbidden_address: {
    status: 502,
    retryable: false,
    message: 'The upstream address is not allowed',
  },
  upstream_connect_timeout: {
    status: 504,
    retryable: true,
    message: 'The upstream server is timing out',
  },
  upstream_timeout: { status: 504, retryable: true, message: 'The upstream server is timing out' },
  upstream_idle_timeout: {
    status: 504,
    retryable: true,
    message: 'The upstream server stopped sending its response',
  },
} as const satisfies Record<string, CatalogueEntry>

export interface CatalogueEntry {
  readonly status: number
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean
  /** What the client is told. */
  readonly message: string
}

export type ErrorCode = keyof typeof CATALOGUE
