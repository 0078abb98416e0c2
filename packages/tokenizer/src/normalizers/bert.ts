import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import { AlignedText, isPairAt } from '../text/aligned.js'
import { CONTROL, hfClassOf, hfClassTable, NONSPACING_MARK, SPACE } from '../unicode/hf-classes.js'
import { changesPlaces } from '../unicode/order-marks.js'
import { lowercase } from './lowercase.js'
import { rewriteCharacters } from './per-character.js'
import { toForm } from './unicode-form.js'

export interface BertOptions {
  /** Removes control characters and makes all white space blanks. */
  readonly cleanText: boolean
  /** Puts blanks around Chinese characters. */
  readonly handleChineseChars: boolean
  /** Removes accents; left open it follows `lowercase`. */
  readonly stripAccents: boolean | undefined
  readonly lowercase: boolean
}

/** Stands for a character that cannot be rewritten by itself: marks that stay may change places with others. */
const TOGETHER = '\ud800'

/** BERT's clean-up of text. */
export class BertNormalizer implements Normalizer {
  readonly wordwise = true
  /** What becomes of each character of the basic plane by itself; filled as they come. */
  private readonly known: (string | undefined)[] = []

  constructor(private readonly options: BertOptions) {
    hfClassTable()
  }

  normalize(text: AlignedText): AlignedText {
    if (!text.tracked) {
      const quick = this.characterByCharacter(text.text)
      if (quick !== undefined) return text.transformed(quick.text, () => [], quick.skipped ? 1 : 0)
    }
    return this.stepByStep(text)
  }

  /** The steps of the original, one after another over the whole text. */
  private stepByStep(text: AlignedText): AlignedText {
    const { options } = this
    let result = text
    if (options.cleanText) result = rewriteCharacters(result, clean)
    if (options.handleChineseChars) result = rewriteCharacters(result, spaceOut)
    if (options.stripAccents ?? options.lowercase) result = rewriteCharacters(toForm(result, 'NFD'), dropAccent)
    return options.lowercase ? lowercase(result) : result
  }

  /** All steps in one pass for texts without marks that stay, which are nearly all; undefined for the others. */
  private characterByCharacter(text: string): { readonly text: string; readonly skipped: boolean } | undefined {
    let rewritten = ''
    let skipped = false
    let start = 0
    const keep = (end: number): void => {
      // Printable ASCII, which only lower case changes.
      if (start < end) rewritten += this.options.lowercase ? text.slice(start, end).toLowerCase() : text.slice(start, end)
    }
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      if (unit >= 0x20 && unit < 0x7f) continue
      keep(at)
      const pair = isPairAt(text, at)
      const char = pair ? text.slice(at, at + 2) : text[at]!
      const other = pair ? this.rewrite(char) : (this.known[unit] ??= this.rewrite(char))
      if (other === TOGETHER) return undefined
      if (other === '' && rewritten === '') skipped = true
      rewritten += other
      if (pair) at++
      start = at + 1
    }
    keep(text.length)
    return { text: rewritten, skipped }
  }

  private rewrite(char: string): string {
    const rewritten = this.stepByStep(AlignedText.of(char, { track: false })).text
    if (!(this.options.stripAccents ?? this.options.lowercase)) return rewritten
    for (const part of rewritten) if (changesPlaces(part)) return TOGETHER
    return rewritten
  }

  toJSON(): ComponentJson {
    const { options } = this
    return {
      type: 'BertNormalizer',
      clean_text: options.cleanText,
      handle_chinese_chars: options.handleChineseChars,
      strip_accents: options.stripAccents ?? null,
      lowercase: options.lowercase,
    }
  }
}

function clean(char: string, point: number): string {
  if (point > 0x1f && point < 0x7f) return char
  if (point === 9 || point === 10 || point === 13) return ' '
  if (point === 0 || point === 0xfffd) return ''
  const bits = hfClassOf(point)
  return (bits & CONTROL) !== 0 ? '' : (bits & SPACE) !== 0 ? ' ' : char
}

function spaceOut(char: string, point: number): string {
  if (point < 0x3400) return char
  const chinese =
    (point >= 0x4e00 && point <= 0x9fff) ||
    point <= 0x4dbf ||
    (point >= 0x20000 && point <= 0x2a6df) ||
    (point >= 0x2a700 && point <= 0x2b81f) ||
    (point >= 0x2b920 && point <= 0x2ceaf) ||
    (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0x2f800 && point <= 0x2fa1f)
  return chinese ? ` ${char} ` : char
}

const dropAccent = (char: string, point: number): string => (point > 0x7f && (hfClassOf(point) & NONSPACING_MARK) !== 0 ? '' : char)
