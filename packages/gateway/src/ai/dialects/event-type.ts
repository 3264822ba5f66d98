import { member } from '../usage/index.ts'

const TYPE = Buffer.from('"type":"')

/** The event's own `type`: the first in its data, before any nested object. */
export function eventType(data: Buffer): string {
  const at = data.indexOf(TYPE)
  if (at >= 0) {
    const end = data.indexOf('"', at + TYPE.length)
    return end < 0 ? '' : data.toString('latin1', at + TYPE.length, end)
  }
  // Written with spaces, or not JSON at all.
  try {
    const type = member(JSON.parse(data.toString('utf8')), 'type')
    return typeof type === 'string' ? type : ''
  } catch {
    return ''
  }
}
