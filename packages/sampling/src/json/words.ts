/** Text without quotes where JSON has a value or a key. */

export interface Word {
  readonly text: string
  /** Where it ends. */
  readonly end: number
}

/** Values by their names, those of JavaScript and Python with them. */
const NAMES: Readonly<Record<string, string>> = {
  true: 'true',
  false: 'false',
  null: 'null',
  True: 'true',
  False: 'false',
  None: 'null',
  TRUE: 'true',
  FALSE: 'false',
  NULL: 'null',
  undefined: 'null',
  NaN: 'null',
  Infinity: 'null',
  '-Infinity': 'null',
}
/** Those that are looked for where the text ends inside of one. */
const CUT_NAMES = ['true', 'false', 'null', 'True', 'False', 'None']
const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?)(\d*))?$/
const ENDS_TOKEN = /[\s,:{}[\]"]/
const ENDS_VALUE = /[\n,{}[\]"]/
const ENDS_KEY = /[\n,:={}[\]"']/

/** Reads a number or name up to its end, other text up to what may come behind a value or key. */
export function readWord(text: string, at: number, isKey: boolean): Word {
  if (isKey) return upTo(text, at, ENDS_KEY)
  const token = upTo(text, at, ENDS_TOKEN)
  if (token.end === text.length || wordAsJson(token.text, false) !== undefined) return token
  return upTo(text, at, ENDS_VALUE)
}

function upTo(text: string, from: number, ends: RegExp): Word {
  let end = from
  while (end < text.length && !ends.test(text[end]!)) end++
  const word = text.slice(from, end).trimEnd()
  return { text: word, end: from + word.length }
}

/**
 * A number or name as JSON; undefined for other text.
 *
 * @param isCut the text ends with the word, which may be the beginning of one: what is missing of a name is put in, and what is of no use yet in a number left out. '' for a number with no digits.
 */
export function wordAsJson(word: string, isCut: boolean): string | undefined {
  if (Object.hasOwn(NAMES, word)) return NAMES[word]
  if (word === '') return undefined
  const name = isCut ? CUT_NAMES.find((one) => one.startsWith(word)) : undefined
  if (name !== undefined) return NAMES[name]
  const parts = NUMBER.exec(word)
  if (parts === null) return undefined
  const [, sign = '', whole = '', fraction, powerSign = '', power] = parts
  if (whole === '' && (fraction ?? '') === '') return isCut && /^[+-]?\.?$/.test(word) ? '' : undefined
  // Digits behind a zero are a name or an address rather than a number.
  if (whole.length > 1 && whole.startsWith('0')) return undefined
  if (!isCut && power === '') return undefined
  return `${sign === '-' ? '-' : ''}${whole === '' ? '0' : whole}${(fraction ?? '') === '' ? '' : `.${fraction}`}${(power ?? '') === '' ? '' : `e${powerSign}${power}`}`
}
