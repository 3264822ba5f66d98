/** Kong's error trees are Lua tables: lists have numeric keys, and are printed as Lua prints them. */

/** A tree whose lists are objects with the keys `1`, `2`, … */
export interface LuaTree {
  readonly [key: string]: string | readonly string[] | LuaTree
}

type Value = LuaTree[string]

/**
 * The tree as Kong's JSON has it: tables with numeric keys become arrays, with null where nothing was wrong.
 */
export function luaToJson(value: Value): unknown {
  if (typeof value === 'string' || Array.isArray(value)) return value
  const entries = Object.entries(value)
  if (entries.length === 0 || !entries.every(([key]) => isIndex(key))) {
    return Object.fromEntries(entries.map(([key, member]) => [key, luaToJson(member)]))
  }
  const list: unknown[] = []
  for (const [key, member] of entries) list[Number(key) - 1] = luaToJson(member)
  return Array.from(list, (item) => item ?? null)
}

/** The tree on one line, in the notation of Kong's messages: `{services={{host="required field missing"}}}`. */
export function luaDump(value: Value): string {
  if (typeof value === 'string') return quote(value)
  if (isList(value)) return `{${value.map(quote).join(',')}}`
  let position = 1
  const parts = Object.entries(value).map(([key, member]) => {
    if (key === String(position)) {
      position += 1
      return luaDump(member)
    }
    return `${keyText(key)}=${luaDump(member)}`
  })
  return `{${parts.join(',')}}`
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value)
}

function isIndex(key: string): boolean {
  return /^[1-9]\d{0,6}$/.test(key)
}

function keyText(key: string): string {
  if (isIndex(key)) return `[${key}]`
  return /^[A-Za-z_]\w*$/.test(key) ? key : `[${quote(key)}]`
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}
