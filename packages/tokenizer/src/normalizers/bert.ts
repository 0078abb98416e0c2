import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'
import { CONTROL, hfClassOf, hfClassTable, NONSPACING_MARK, SPACE } from '../unicode/hf-classes.js'
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

/** BERT's clean-up of text. */
export class BertNormalizer implements Normalizer {
  constructor(private readonly options: BertOptions) {
    hfClassTable()
  }

  normalize(text: AlignedText): AlignedText {
    const { options } = this
    let result = text
    if (isPlain(text.text)) return options.lowercase ? lowercase(text) : text
    if (options.cleanText) result = rewriteCharacters(result, clean)
    if (options.handleChineseChars) result = rewriteCharacters(result, spaceOut)
    if (options.stripAccents ?? options.lowercase) result = rewriteCharacters(toForm(result, 'NFD'), dropAccent)
    return options.lowercase ? lowercase(result) : result
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

/** Printable ASCII, which only lower case changes. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x20 || unit > 0x7e) return false
  }
  return true
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
