/** Writes `docs/errors.md` from the error catalogue. A test holds the page to it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CATALOGUE } from '../packages/gateway/src/errors/index.ts'

export const ERRORS_PAGE = fileURLToPath(new URL('../docs/errors.md', import.meta.url))

const INTRODUCTION = `# Errors

Every error that Pratu itself answers with. \`code\` is stable: build on it, not on the text. Answers of the upstream pass
unchanged.

The body has the shape that the client's own library reads. On plain routes it is Kong's
\`{"message": …, "request_id": …}\` (JSON, plain text, HTML or XML, by \`Accept\`). On services that carry OpenAI traffic it
is both Kong's and OpenAI's in one object, \`{"message": …, "request_id": …, "error": {"message", "type", "code",
"param"}}\`; on Anthropic and Gemini services it is theirs. A stream that breaks after its first byte ends with an error
event in the stream's own format and an incomplete message, never with a clean end.

Texts are escaped as the type of the body wants it, where Kong inserts them as they are. Under \`compatibility: kong\`
errors that nginx raises there (malformed requests, limits, a failing upstream) take their type from the request's own
\`Content-Type\` when there is no \`Accept\`, and are plain text without either.

Every answer carries \`X-Kong-Request-Id\`; the log line of the request carries the same id, the cause and its detail.
Plugins answer with codes of their own, listed on each plugin's page.

_Again_ tells whether the same request may succeed later without a change; where it cannot, AI clients are told so with
\`x-should-retry: false\`.
`

export function errorsPage(): string {
  const sections = Object.entries(CATALOGUE).map(
    ([code, { status, retryable, message }]) =>
      `## ${code}\n\n${status} · again: ${retryable ? 'yes' : 'no'}\n\n> ${message}\n`,
  )
  return `${INTRODUCTION}\n${sections.join('\n')}`
}

if (process.argv.includes('--write')) writeFileSync(ERRORS_PAGE, errorsPage())

export function currentErrorsPage(): string {
  return readFileSync(ERRORS_PAGE, 'utf8')
}
