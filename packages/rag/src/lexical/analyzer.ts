import { porterStem } from './porter.js'

/** Turns texts, of documents and of queries alike, into terms that are compared exactly. */
export interface Analyzer {
  /** Names everything that terms depend on; kept in the index, which refuses another. Give it a new one when the terms change. */
  readonly id: string
  /** The terms of a text in their order, repetitions included. */
  analyze(text: string): string[]
}

export interface EnglishOptions {
  /** Left out; default {@link englishStopWords}. */
  readonly stopWords?: Iterable<string>
  /** Default true. */
  readonly stem?: boolean
}

/**
 * Words that say what a sentence does rather than what it is about: articles, pronouns, prepositions, conjunctions, auxiliaries and
 * question words, put together from English grammar's closed classes.
 */
export const englishStopWords: readonly string[] = (
  'a an the this that these those some any each every both all such no not nor neither either other another own same ' +
  'i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its itself ' +
  'they them their theirs themselves one who whom whose which what when where why how there here ' +
  'am is are was were be been being have has had having do does did doing can could may might must shall should will would ' +
  'and or but if then else than so because as while until although though whether yet ' +
  'of in on at by for with about against between among into through during before after above below to from up down out off over under upon within ' +
  'without again further once only very too also just more most much many few less least however therefore thus hence'
).split(' ')

const terms = /[\p{L}\p{N}]+(?:[’'][\p{L}]+)*/gu

/**
 * English: words in lower case without accents, without stop words, stemmed by Porter's algorithm. Numbers and words of other scripts stay whole.
 *
 * @example
 * english().analyze('The wings of slender aircraft') // => ['wing', 'slender', 'aircraft']
 */
export function english({ stopWords, stem = true }: EnglishOptions = {}): Analyzer {
  const stops = new Set(stopWords ?? englishStopWords)
  const own = stopWords === undefined ? '' : `/stop=${[...stops].sort().join(',')}`
  // Texts repeat their words; most stems are looked up.
  const cache = new Map<string, string>()
  const stemOf = (word: string): string => {
    let found = cache.get(word)
    if (found === undefined) {
      if (cache.size >= 50_000) cache.clear()
      cache.set(word, (found = porterStem(word)))
    }
    return found
  }
  return {
    id: `english/1${stem ? '' : '/unstemmed'}${own}`,
    analyze(text) {
      const result: string[] = []
      for (const [match] of text
        .normalize('NFKD')
        .replace(/\p{M}+/gu, '')
        .toLowerCase()
        .matchAll(terms)) {
        // "plane's" and "don’t": the part before the apostrophe is the word.
        const word = match.split(/[’']/)[0]!
        if (stops.has(word)) continue
        result.push(stem ? stemOf(word) : word)
      }
      return result
    },
  }
}

/** Words in lower case and nothing else: for languages without an analyzer of their own. */
export function plainWords(): Analyzer {
  return {
    id: 'plain-words/1',
    analyze: (text) =>
      Array.from(
        text
          .normalize('NFKC')
          .toLowerCase()
          .matchAll(/[\p{L}\p{M}\p{N}]+/gu),
        ([word]) => word,
      ),
  }
}

/** How often each term occurs, in the order of first occurrence. */
export function countTerms(list: Iterable<string>): [term: string, count: number][] {
  const counts = new Map<string, number>()
  for (const term of list) counts.set(term, (counts.get(term) ?? 0) + 1)
  return [...counts]
}
