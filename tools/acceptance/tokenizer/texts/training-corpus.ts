import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { code, english, languages } from './corpora.js'
import { fuzzTexts, randomFrom, wellFormed } from './fuzz.js'

const packages = join(import.meta.dirname, '../../../../node_modules')

/** Five corpora of about a megabyte, on which merges are compared one by one. */
export function smallCorpora(): Readonly<Record<string, readonly string[]>> {
  const asian = ['ja', 'ko', 'zh-cn', 'zh-tw'].map((language) =>
    Object.values(messages(join(packages, 'typescript/lib', language, 'diagnosticMessages.generated.json'))).join('\n'),
  )
  return {
    English: [english()],
    code: code().slice(0, 1_200_000).split('\n\n'),
    CJK: asian,
    'mixed Unicode': [...fuzzTexts(3000, 11).map(wellFormed), languages().slice(0, 600_000)],
    runs: runs(3),
  }
}

const messages = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>

/** Runs of one character or of a few, in which pairs overlap and many ways lead to one token. */
function runs(seed: number): string[] {
  const random = randomFrom(seed)
  const units = ['a', 'ab', 'aab', '-', '=', ' ', '\n', '0', 'é', '中', '_-', '/*']
  return Array.from({ length: 400 }, () => {
    let text = ''
    for (let stretches = 1 + Math.floor(random() * 12); stretches > 0; stretches--) {
      text += units[Math.floor(random() * units.length)]!.repeat(1 + Math.floor(random() ** 3 * 120))
      if (random() < 0.5) text += ' '
    }
    return text
  })
}

/**
 * Documents of about `bytes` bytes in all, the same on every machine with the same packages installed: the sources and documents of these packages, each file once
 * (up to 45 % of the bytes), Moby-Dick, the compiler's messages in thirteen languages, and for the rest prose that is made up: Moby-Dick's words as often as they are
 * there, one in ten compounded with another one or with an ending, so that new words come up as in real text, with numbers and punctuation.
 */
export function* trainingCorpus(bytes: number): Generator<string> {
  let left = bytes
  const give = (text: string) => {
    left -= Buffer.byteLength(text)
    return text
  }
  yield give(english())
  yield give(languages())
  const most = left - bytes * 0.45
  for (const file of sources(packages)) {
    if (left < most) break
    yield give(readFileSync(file, 'utf8').replaceAll('\0', ''))
  }
  const prose = proseMaker(7)
  while (left > 0) yield give(prose())
}

/** Source files and documents below a folder, in the order of their names. */
function* sources(folder: string): Generator<string> {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    // Links lead to this repository's own packages.
    if (entry.isDirectory() && !entry.name.startsWith('.')) yield* sources(path)
    else if (
      entry.isFile() &&
      /\.(?:[cm]?[jt]s|md|tsx|jsx)$/.test(entry.name) &&
      !/\.min\./.test(entry.name) &&
      statSync(path).size < 300_000
    )
      yield path
  }
}

/** Makes paragraphs of made-up prose. */
function proseMaker(seed: number): () => string {
  const random = randomFrom(seed)
  const words = english().match(/[A-Za-z]+(?:'[a-z]+)?/g)!
  const endings = ['ing', 'ness', 'ed', 'er', 'ly', 'ish', 'less', 'wards', '-like', "'s"]
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const word = (): string => {
    const kind = random()
    if (kind < 0.02) return String(Math.floor(random() ** 3 * 1e6))
    if (kind < 0.06) return pick(words) + pick(words).toLowerCase()
    if (kind < 0.12) return pick(words) + pick(endings)
    return pick(words)
  }
  return () => {
    let text = ''
    for (let sentences = 20 + Math.floor(random() * 40); sentences > 0; sentences--) {
      const first = word()
      text += first.charAt(0).toUpperCase() + first.slice(1)
      for (let count = 3 + Math.floor(random() * 25); count > 0; count--) text += (random() < 0.07 ? ', ' : ' ') + word()
      text += pick(['. ', '. ', '. ', '? ', '! ', '.\n\n'])
    }
    return text
  }
}
