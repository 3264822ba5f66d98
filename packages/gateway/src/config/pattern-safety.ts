/** Judges a route's `~` pattern, without its `~`. */
export function judgeRoutePattern(pattern: string): string | undefined {
  try {
    new RegExp(pattern, 'u')
    return undefined
  } catch (error) {
    return `invalid regex: '${pattern}' (${error instanceof Error ? error.message : String(error)})`
  }
}
