/**
 * undici parses the responses of all connections with one WebAssembly instance that must not be entered twice: while a
 * handler's callback runs, resuming another connection or starting a request on it would. Callbacks that lead to
 * foreign code are bracketed here, and whoever may touch a connection asks first. The depth is a fact of the process,
 * like the parser it stands for.
 */
let depth = 0

export function enterParser(): void {
  depth++
}

export function leaveParser(): void {
  depth--
}

/** Whether a response is being parsed further up this very stack; then use a microtask. */
export function insideParser(): boolean {
  return depth > 0
}
