import { Tokenizer, trainBpe } from '@tesserae/tokenizer'
import { fetchText } from './fetch.js'
import type { Tasks } from './protocol.js'
import type { TokenizerCalls, TokenView, Vocabulary, VocabularyFacts } from './tokenizer-calls.js'

const loaded = new Map<Vocabulary, Promise<Tokenizer>>()

function tokenizerOf(vocabulary: Vocabulary): Promise<Tokenizer> {
  const known = loaded.get(vocabulary)
  if (known !== undefined) return known
  if (vocabulary === 'trained') return Promise.reject(new Error('No vocabulary has been trained in this tab yet; train one first.'))
  const fetched = fetchText('tokenizer/tokenizer.json').then((json) => Tokenizer.fromJSON(json))
  loaded.set(vocabulary, fetched)
  fetched.catch(() => loaded.delete(vocabulary))
  return fetched
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A token as the page shows it. */
export function viewOf(tokenizer: Tokenizer, id: number): TokenView {
  const bytes = tokenizer.tokenBytes(id)
  try {
    return { id, bytes: [...bytes], text: strict.decode(bytes) }
  } catch {
    return { id, bytes: [...bytes] }
  }
}

function factsOf(tokenizer: Tokenizer): VocabularyFacts {
  const special = new Set(tokenizer.specialTokens.values())
  const newest: string[] = []
  for (let id = tokenizer.vocabSize - 1; id >= 256 && newest.length < 24; id--) {
    const text = special.has(id) ? undefined : viewOf(tokenizer, id).text
    if (text !== undefined) newest.push(text)
  }
  return { size: tokenizer.vocabSize, newest }
}

export const tokenizerTasks: Tasks<TokenizerCalls> = {
  async 'tokenizer.facts'({ vocabulary }) {
    return factsOf(await tokenizerOf(vocabulary))
  },
  async 'tokenizer.encode'({ vocabulary, text }) {
    const tokenizer = await tokenizerOf(vocabulary)
    // Special tokens written out by a visitor are text like any other.
    return { tokens: Array.from(tokenizer.encode(text, { special: 'text' }), (id) => viewOf(tokenizer, id)) }
  },
  async 'tokenizer.train'({ text, vocabSize }, { signal, emit }) {
    const start = performance.now()
    const tokenizer = await trainBpe([text], {
      vocabSize,
      signal,
      onProgress: ({ task, completed, total = 0 }) => task === 'train-bpe' && emit({ completed, total }),
    })
    loaded.set('trained', Promise.resolve(tokenizer))
    return { ...factsOf(tokenizer), seconds: (performance.now() - start) / 1000 }
  },
  async 'tokenizer.export'({ vocabulary }) {
    return { json: JSON.stringify((await tokenizerOf(vocabulary)).toJSON()) }
  },
}
