import { createHash } from 'node:crypto'

/** A Lua script and the name that Redis knows it by once it has seen it. */
export interface RedisScript {
  readonly lua: string
  readonly sha: string
}

export function defineScript(lua: string): RedisScript {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}
