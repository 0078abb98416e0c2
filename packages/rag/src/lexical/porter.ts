// M. F. Porter, "An algorithm for suffix stripping", Program 14 (3), 1980. Names follow the paper: a word is [C](VC){m}[V]; *v* is a vowel in
// the stem, *d a double consonant at its end, *o a stem that ends consonant, vowel, consonant, where the last is not w, x or y.

type Rule = readonly [suffix: string, replacement: string]

/** Steps 2 and 3, with (m > 0). Longer suffixes come first where one ends with another. */
const step2: readonly Rule[] = [
  ['ational', 'ate'],
  ['tional', 'tion'],
  ['enci', 'ence'],
  ['anci', 'ance'],
  ['izer', 'ize'],
  ['abli', 'able'],
  ['alli', 'al'],
  ['entli', 'ent'],
  ['eli', 'e'],
  ['ousli', 'ous'],
  ['ization', 'ize'],
  ['ation', 'ate'],
  ['ator', 'ate'],
  ['alism', 'al'],
  ['iveness', 'ive'],
  ['fulness', 'ful'],
  ['ousness', 'ous'],
  ['aliti', 'al'],
  ['iviti', 'ive'],
  ['biliti', 'ble'],
]
const step3: readonly Rule[] = [
  ['icate', 'ic'],
  ['ative', ''],
  ['alize', 'al'],
  ['iciti', 'ic'],
  ['ical', 'ic'],
  ['ful', ''],
  ['ness', ''],
]
/** Step 4, with (m > 1); -ion also needs an s or t before it. */
const step4 = [
  'al',
  'ance',
  'ence',
  'er',
  'ic',
  'able',
  'ible',
  'ant',
  'ement',
  'ment',
  'ent',
  'ion',
  'ou',
  'ism',
  'ate',
  'iti',
  'ous',
  'ive',
  'ize',
]
const byLength = (a: string, b: string) => b.length - a.length
const step4Suffixes = [...step4].sort(byLength)
const [step2Rules, step3Rules] = [step2, step3].map((rules) => [...rules].sort(([a], [b]) => byLength(a, b))) as [Rule[], Rule[]]

/**
 * The stem of an English word in lower-case letters a to z, by Porter's algorithm as published in 1980; other words come back as they are.
 * Words of one or two letters have no suffix, as in Porter's own program.
 *
 * @example
 * porterStem('generalizations') // => 'gener'
 */
export function porterStem(word: string): string {
  if (word.length <= 2 || !/^[a-z]+$/.test(word)) return word
  let stem = plural(word)
  stem = pastOrParticiple(stem)
  if (stem.endsWith('y') && hasVowel(stem.slice(0, -1))) stem = `${stem.slice(0, -1)}i`
  stem = replaceSuffix(stem, step2Rules)
  stem = replaceSuffix(stem, step3Rules)
  stem = dropSuffix(stem)
  return tidy(stem)
}

/** Step 1a. */
function plural(word: string): string {
  if (word.endsWith('sses') || word.endsWith('ies')) return word.slice(0, -2)
  if (word.endsWith('s') && !word.endsWith('ss')) return word.slice(0, -1)
  return word
}

/** Step 1b. */
function pastOrParticiple(word: string): string {
  if (word.endsWith('eed')) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word
  const suffix = word.endsWith('ed') ? 'ed' : word.endsWith('ing') ? 'ing' : undefined
  if (suffix === undefined) return word
  const stem = word.slice(0, -suffix.length)
  if (!hasVowel(stem)) return word
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`
  if (endsDouble(stem) && !/[lsz]$/.test(stem)) return stem.slice(0, -1)
  if (measure(stem) === 1 && endsShort(stem)) return `${stem}e`
  return stem
}

/** Steps 2 and 3: the longest suffix that fits decides, whether or not its condition holds. */
function replaceSuffix(word: string, rules: readonly Rule[]): string {
  const rule = rules.find(([suffix]) => word.endsWith(suffix))
  if (rule === undefined) return word
  const stem = word.slice(0, -rule[0].length)
  return measure(stem) > 0 ? stem + rule[1] : word
}

/** Step 4. */
function dropSuffix(word: string): string {
  const suffix = step4Suffixes.find((end) => word.endsWith(end))
  if (suffix === undefined) return word
  const stem = word.slice(0, -suffix.length)
  if (measure(stem) <= 1 || (suffix === 'ion' && !/[st]$/.test(stem))) return word
  return stem
}

/** Step 5. */
function tidy(word: string): string {
  let stem = word
  if (stem.endsWith('e')) {
    const before = stem.slice(0, -1)
    const m = measure(before)
    if (m > 1 || (m === 1 && !endsShort(before))) stem = before
  }
  return stem.endsWith('ll') && measure(stem) > 1 ? stem.slice(0, -1) : stem
}

/** Whether each letter is a consonant: not a, e, i, o, u, and y only at the beginning or after a vowel. */
function consonants(word: string): boolean[] {
  const result: boolean[] = []
  for (let i = 0; i < word.length; i++) {
    const letter = word[i]!
    result.push(letter === 'y' ? i === 0 || !result[i - 1]! : !'aeiou'.includes(letter))
  }
  return result
}

/** m: how often a vowel is followed by a consonant. */
function measure(stem: string): number {
  const consonant = consonants(stem)
  let m = 0
  for (let i = 1; i < consonant.length; i++) if (consonant[i]! && !consonant[i - 1]!) m++
  return m
}

function hasVowel(stem: string): boolean {
  return consonants(stem).includes(false)
}

function endsDouble(stem: string): boolean {
  return stem.length > 1 && stem.at(-1) === stem.at(-2) && consonants(stem).at(-1)!
}

function endsShort(stem: string): boolean {
  const [a, b, c] = consonants(stem).slice(-3)
  return stem.length > 2 && a === true && b === false && c === true && !/[wxy]$/.test(stem)
}
