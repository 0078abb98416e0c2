import type { Alphabet } from './alphabet.js'

/** Instructions. `next` is where to go on; sets are offsets into the alphabet's members. */
export const Op = {
  /** The end of the program, or of an assertion or atomic group. */
  Match: 0,
  /** A character of set `a`. */
  Set: 1,
  /** A character of set `a` before this place, which moves in front of it. */
  SetBehind: 2,
  /** `next`, or else `b`. */
  Split: 3,
  /** Up to `b` characters of set `a`, as many as possible, giving back one after another. */
  Run: 4,
  /** Up to `b` characters of set `a`, as many as there are, giving back none. */
  Possessive: 5,
  /** Whether the next character is (`b` = 1) or is not (`b` = 0) of set `a`. */
  Peek: 6,
  /** Likewise for the character before. */
  PeekBehind: 7,
  /** The program at `a` matches here (`b` = 1) or does not (`b` = 0). */
  Look: 8,
  /** The program at `a` as it matches first, and no other way. */
  Atomic: 9,
  /** A round of the loop number `a` begins. */
  LoopStart: 10,
  /** A round of the loop number `a` is over: `next` if it moved, else out of the loop, to `b`. */
  LoopEnd: 11,
} as const

/** A regular expression ready to run. */
export interface Program {
  readonly alphabet: Alphabet
  /** What each instruction does, where it goes on, and its operands. */
  readonly ops: Uint8Array
  readonly next: Int32Array
  readonly a: Int32Array
  readonly b: Int32Array
  /** The number of the first outcome to remember for an instruction, or −1; one for each state of the loops around it. */
  readonly memo: Int32Array
  /** Which bits of the loops' state tell those outcomes apart. */
  readonly memoMask: Uint8Array
  /** How many outcomes there are to remember at each position. */
  readonly memos: number
  /** For instructions that need not only whether but where a match ends: its number among those, else −1. */
  readonly ends: Int32Array
  readonly endCount: number
  /** Where to begin for each class of the next character, past alternatives that cannot match; −1 when none can. */
  readonly entries: Int32Array
  /** How far assertions look back, in characters. */
  readonly behind: number
  /** For each instruction and class of the next character whether it can succeed at all. */
  readonly viable: Uint8Array
}

/** A `max` without limit. */
export const UNLIMITED = 0x7fffffff
