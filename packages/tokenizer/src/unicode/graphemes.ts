import { breakRanges, conjunctRanges } from './generated/graphemes.js'
import { propertyRanges } from './generated/properties.js'
import { forEachRange } from './ranges.js'

// Grapheme_Cluster_Break by value; the bits above say what else a rule asks for.
const CR = 1
const LF = 2
const CONTROL = 3
const EXTEND = 4
const ZWJ = 5
const PREPEND = 6
const SPACING_MARK = 7
const L = 8
const V = 9
const T = 10
const LV = 11
const LVT = 12
const REGIONAL = 13
const BREAK = 15
const PICTOGRAPH = 16
const CONSONANT = 32
const LINKER = 64

/** Behind here lie only private use and what nobody assigned. */
const TABLE_SIZE = 0xe1000
const ZERO_WIDTH_NON_JOINER = 0x200c

let table: Uint8Array | undefined

function classes(): Uint8Array {
  if (table !== undefined) return table
  const values = new Uint8Array(TABLE_SIZE)
  const set = (ranges: string | undefined, bits: number): void =>
    forEachRange(ranges!, (start, end) => {
      for (let point = start; point < end; point++) values[point]! |= bits
    })
  const named = {
    Control: CONTROL,
    Extend: EXTEND,
    ZWJ,
    Prepend: PREPEND,
    SpacingMark: SPACING_MARK,
    L,
    V,
    T,
    Regional_Indicator: REGIONAL,
  }
  for (const [name, value] of Object.entries(named)) set(breakRanges[name], value)
  values[0x0d] = CR
  values[0x0a] = LF
  // Of the 28 syllables with one leading consonant and vowel the first has no trailing consonant.
  for (let point = 0xac00; point < 0xd7a4; point++) values[point] = (point - 0xac00) % 28 === 0 ? LV : LVT
  set(propertyRanges['Extended_Pictographic'], PICTOGRAPH)
  set(conjunctRanges['Consonant'], CONSONANT)
  set(conjunctRanges['Linker'], LINKER)
  return (table = values)
}

/**
 * Where the user-perceived character (extended grapheme cluster) that begins at unit `start` ends, by the rules of Unicode Standard Annex #29
 * in version 16, whatever version the engine has.
 */
export function graphemeEnd(text: string, start: number): number {
  const values = classes()
  let point = text.codePointAt(start)!
  let at = start + (point > 0xffff ? 2 : 1)
  let before = values[point] ?? 0
  let regionals = (before & BREAK) === REGIONAL ? 1 : 0
  // Whether a pictograph, with what extends it, stands before; and how far a conjunct has come: 1 a consonant, 2 with a linker.
  let pictograph = (before & PICTOGRAPH) !== 0
  let conjunct = (before & CONSONANT) !== 0 ? 1 : 0
  while (at < text.length) {
    point = text.codePointAt(at)!
    const next = values[point] ?? 0
    const joins =
      joinsPair(before & BREAK, next & BREAK) ||
      (conjunct === 2 && (next & CONSONANT) !== 0) ||
      (pictograph && (before & BREAK) === ZWJ && (next & PICTOGRAPH) !== 0) ||
      ((next & BREAK) === REGIONAL && regionals % 2 === 1)
    if (!joins) break
    const extends_ = (next & BREAK) === EXTEND || (next & BREAK) === ZWJ
    pictograph = (next & PICTOGRAPH) !== 0 || (pictograph && extends_ && (before & BREAK) !== ZWJ)
    if ((next & CONSONANT) !== 0) conjunct = 1
    else if (conjunct > 0 && (next & LINKER) !== 0) conjunct = 2
    else if (!extends_ || point === ZERO_WIDTH_NON_JOINER) conjunct = 0
    regionals = (next & BREAK) === REGIONAL ? regionals + 1 : 0
    before = next
    at += point > 0xffff ? 2 : 1
  }
  return at
}

/** The rules that look at two characters only. */
function joinsPair(before: number, next: number): boolean {
  if (before === CR) return next === LF
  if (before === LF || before === CONTROL || next === CR || next === LF || next === CONTROL) return false
  if (next === EXTEND || next === ZWJ || next === SPACING_MARK || before === PREPEND) return true
  if (before === L) return next === L || next === V || next === LV || next === LVT
  if (before === LV || before === V) return next === V || next === T
  return (before === LVT || before === T) && next === T
}
