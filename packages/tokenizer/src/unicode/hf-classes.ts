import {
  combiningMarkRanges,
  controlRanges,
  nonspacingMarkRanges,
  numericRanges,
  punctuationRanges,
  spaceRanges,
  wordRanges,
} from './generated/hf-classes.js'
import { forEachRange } from './ranges.js'

/** Bits of a character, as Hugging Face tokenizers classes it; see the generated ranges. */
export const PUNCTUATION = 1
export const NUMERIC = 2
export const SPACE = 4
export const WORD = 8
export const CONTROL = 16
export const NONSPACING_MARK = 32
export const COMBINING_MARK = 64

/** The table covers planes 0 and 1; what lies behind them is rare and looked up among the ranges. */
const TABLE_SIZE = 0x20000

const sources = [
  [punctuationRanges, PUNCTUATION],
  [numericRanges, NUMERIC],
  [spaceRanges, SPACE],
  [wordRanges, WORD],
  [controlRanges, CONTROL],
  [nonspacingMarkRanges, NONSPACING_MARK],
  [combiningMarkRanges, COMBINING_MARK],
] as const

let table: Uint8Array | undefined
let beyond: { readonly start: number; readonly end: number; readonly bit: number }[] = []

/** The bits of every code point of planes 0 and 1. Unpacked at first use. */
export function hfClassTable(): Uint8Array {
  if (table !== undefined) return table
  const unpacked = new Uint8Array(TABLE_SIZE)
  beyond = []
  for (const [ranges, bit] of sources) {
    forEachRange(ranges, (start, end) => {
      for (let point = start; point < Math.min(end, TABLE_SIZE); point++) unpacked[point]! |= bit
      if (end > TABLE_SIZE) beyond.push({ start: Math.max(start, TABLE_SIZE), end, bit })
    })
  }
  return (table = unpacked)
}

/** The bits of a code point. */
export function hfClassOf(point: number): number {
  const classes = hfClassTable()
  if (point < TABLE_SIZE) return classes[point]!
  let bits = 0
  for (const { start, end, bit } of beyond) if (point >= start && point < end) bits |= bit
  return bits
}
