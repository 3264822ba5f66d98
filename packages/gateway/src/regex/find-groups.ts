import { describe, END, holds } from './position.ts'
import type { Program } from './program.ts'

// Marks of one run at a time, kept because most texts are short and allocating would cost more than matching.
const scratch = new Uint32Array(1_024)

function clearedMarks(bits: number): Uint32Array {
  const words = Math.ceil(bits / 32)
  return words > scratch.length ? new Uint32Array(words) : scratch.fill(0, 0, words)
}

/**
 * Where each group of the preferred match begins and ends: UTF-16 offsets, two per group, -1 for a group that took no
 * part. Slots 0 and 1 are the whole match, which must begin at the start of `text`.
 *
 * Tries alternatives by preference and never the same instruction at the same position twice, so the work is bounded by
 * the product of pattern and text (fault S28). @returns `undefined` when there is no match.
 */
export function findGroups(
  program: Program,
  text: string,
  groupCount: number,
): readonly number[] | undefined {
  const { instructions } = program
  const positions = text.length + 1
  const visited = clearedMarks(instructions.length * positions)
  const slots: number[] = []
  for (let slot = 0; slot < 2 * (groupCount + 1); slot += 1) slots.push(-1)
  // Alternatives still to try, two numbers each: instruction and position, or a slot's old value to put back.
  const pending: number[] = [program.start, 0]
  for (;;) {
    const position = pending.pop()
    const pc = pending.pop()
    if (position === undefined || pc === undefined) return undefined
    if (pc < 0) {
      slots[-pc - 1] = position
      continue
    }
    const bit = pc * positions + position
    const word = bit >>> 5
    const mask = 1 << (bit & 31)
    const bits = visited[word] ?? 0
    if ((bits & mask) !== 0) continue
    visited[word] = bits | mask
    const instruction = instructions[pc]
    if (instruction === undefined) continue
    switch (instruction.op) {
      case 'match':
        slots[0] = 0
        slots[1] = position
        return slots
      case 'split':
        pending.push(instruction.second, position, instruction.next, position)
        break
      case 'save':
        pending.push(-instruction.slot - 1, slots[instruction.slot] ?? -1)
        slots[instruction.slot] = position
        pending.push(instruction.next, position)
        break
      case 'assert': {
        const before = position === 0 ? 'nothing' : describe(codePointBefore(text, position))
        const next = text.codePointAt(position) ?? END
        if (holds(instruction.assertion, before, next)) pending.push(instruction.next, position)
        break
      }
      case 'consume': {
        const codePoint = text.codePointAt(position)
        if (codePoint === undefined || !instruction.set.has(codePoint)) break
        pending.push(instruction.next, position + (codePoint > 0xffff ? 2 : 1))
        break
      }
    }
  }
}

function codePointBefore(text: string, position: number): number {
  const pair = text.codePointAt(position - 2)
  if (pair !== undefined && pair > 0xffff) return pair
  return text.charCodeAt(position - 1)
}
