import { Op, type Program } from './program.js'

/** The instructions of a program. */
export type Code = Pick<Program, 'alphabet' | 'ops' | 'next' | 'a' | 'b'>

/** Beyond this many cells the table is left out: everything counts as viable. */
const MAX_CELLS = 4_000_000

/**
 * For each instruction and class of the next character whether the program can succeed from there, as far as that character tells. A matcher
 * passes over alternatives, and over places to begin, that cannot.
 */
export function viability({ alphabet, ops, next, a, b }: Code): Uint8Array {
  const { stride, members, half } = alphabet
  const viable = new Uint8Array(ops.length * stride)
  if (viable.length > MAX_CELLS) return viable.fill(1)
  const cell = (pc: number, kind: number): number => viable[pc * stride + kind]!
  const can = (pc: number, kind: number): number => {
    const onward = next[pc]!
    switch (ops[pc]) {
      case Op.Set:
        return members[a[pc]! + kind]!
      case Op.Split:
        return cell(onward, kind) | cell(b[pc]!, kind)
      case Op.Run:
        return members[a[pc]! + kind]! | cell(onward, kind)
      case Op.Possessive:
        return members[a[pc]! + kind]! | cell(onward, kind)
      case Op.Peek:
        return members[a[pc]! + kind] === b[pc] ? cell(onward, kind) : 0
      case Op.Look:
        return cell(onward, kind)
      case Op.Atomic:
        // The end of the group is viable whatever follows, so this says no only when the group itself cannot begin.
        return cell(a[pc]!, kind)
      case Op.PeekBehind:
      case Op.LoopStart:
        return cell(onward, kind)
      case Op.LoopEnd:
        return cell(onward, kind) | cell(b[pc]!, kind)
      default:
        // The end; and what reads backward, of which the next character says nothing.
        return 1
    }
  }
  // Outcomes only turn from no to yes; instructions follow those that they lead to except in loops, so few rounds are needed.
  for (let changed = true; changed;) {
    changed = false
    for (let pc = 0; pc < ops.length; pc++) {
      for (let kind = 0; kind < stride; kind++) {
        if (kind === half || viable[pc * stride + kind] === 1 || can(pc, kind) === 0) continue
        viable[pc * stride + kind] = 1
        changed = true
      }
    }
  }
  return viable
}

/** Where a program that begins at `start` really begins, for each class of the next character; see {@link Program.entries}. */
export function entriesOf({ alphabet, ops, next, b }: Code, viable: Uint8Array, start: number): Int32Array {
  const { stride, half } = alphabet
  const entries = new Int32Array(stride).fill(-1)
  for (let kind = 0; kind < stride; kind++) {
    // No character begins in the middle of one.
    if (kind === half) continue
    let pc = start
    while (ops[pc] === Op.Split && viable[pc * stride + kind] === 1) {
      const [first, second] = [viable[next[pc]! * stride + kind], viable[b[pc]! * stride + kind]]
      if (first === 1 && second === 1) break
      pc = first === 1 ? next[pc]! : b[pc]!
    }
    if (viable[pc * stride + kind] === 1) entries[kind] = pc
  }
  return entries
}
