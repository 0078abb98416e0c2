import { isPairAt } from '../text/aligned.js'

/** Shorter runs of marks are left to the engine. Real text has a handful in a row. */
const LONG = 48
/** No mark with a combining class of its own comes before this. */
const FIRST_MARK = 0x300

// Per unit of the basic plane: 0 unseen, 1 a character that others do not pass, 2 a mark that changes places.
let known: Uint8Array | undefined

/**
 * The text with long runs of combining marks in canonical order, which is canonically equivalent. Engines put marks in order by insertion, so a run
 * of a hundred thousand takes them minutes; with marks in order `normalize` is linear.
 */
export function orderMarks(text: string): string {
  let ordered = ''
  let done = 0
  let start = 0
  for (let at = 0; at <= text.length;) {
    const unit = at < text.length ? text.charCodeAt(at) : 0
    if (unit >= FIRST_MARK && isMarkAt(text, at)) {
      at += isPairAt(text, at) ? 2 : 1
      continue
    }
    if (at - start >= LONG) {
      ordered += text.slice(done, start) + inOrder(text.slice(start, at))
      done = at
    }
    start = ++at
  }
  return done === 0 ? text : ordered + text.slice(done)
}

function isMarkAt(text: string, at: number): boolean {
  if (isPairAt(text, at)) return changesPlaces(text.slice(at, at + 2))
  known ??= new Uint8Array(0x10000)
  const unit = text.charCodeAt(at)
  if (known[unit] === 0) known[unit] = changesPlaces(text[at]!) ? 2 : 1
  return known[unit] === 2
}

/** Whether a character has a combining class: it goes before U+0345, which has the highest of all. */
export function changesPlaces(char: string): boolean {
  return char === '\u0345' || `\u0345${char}`.normalize('NFD') !== `\u0345${char.normalize('NFD')}`
}

/** Marks sorted by class, those of one class as they came. */
function inOrder(run: string): string {
  const marks = new Set<string>()
  for (const char of run) for (const mark of char.normalize('NFD')) marks.add(mark)
  // There are few different marks; which of two comes first the engine knows.
  const classes: { readonly example: string; text: string }[] = []
  const classOf = new Map<string, { text: string }>()
  for (const mark of [...marks].sort(byClass)) {
    const last = classes.at(-1)
    if (last === undefined || byClass(last.example, mark) !== 0) classes.push({ example: mark, text: '' })
    classOf.set(mark, classes.at(-1)!)
  }
  for (const char of run) for (const mark of char.normalize('NFD')) classOf.get(mark)!.text += mark
  return classes.map((same) => same.text).join('')
}

function byClass(a: string, b: string): number {
  if (`${a}${b}`.normalize('NFD') !== `${a}${b}`) return 1
  return `${b}${a}`.normalize('NFD') === `${b}${a}` ? 0 : -1
}
