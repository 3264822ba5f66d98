/**
 * What an answer asks to wait, in milliseconds: `retry-after-ms` first, then `retry-after`, in seconds or as a date
 * (RFC 9110 §10.2.3). Undefined when it asks nothing that makes sense.
 */
export function retryAfterMs(
  header: (name: string) => string | undefined,
  now: number,
): number | undefined {
  const exact = decimal(header('retry-after-ms'))
  if (exact !== undefined) return exact
  const text = header('retry-after')
  const seconds = decimal(text)
  if (seconds !== undefined) return seconds * 1_000
  // Every form of an HTTP date begins with a weekday; `Date.parse` takes much more than dates.
  const date = /^[A-Z]/i.test(text ?? '') ? Date.parse(text ?? '') : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,12}(?:\.\d{1,9})?$/.test(text.trim())
    ? Number(text)
    : undefined
}
