/** A model and conversations small enough for tests. */
import { trainBpe, type Tokenizer } from '@tesserae/tokenizer'
import { gpt2, initWeights, llama, type DecoderConfig, type DecoderWeights } from '@tesserae/transformer'
import type { PreferenceRow, SftRow } from '../data/rows.js'
import { chatTemplate, type ChatTemplate } from '../data/template.js'

export const markers = ['<|user|>', '<|assistant|>', '<|system|>', '<|end|>', '<|pad|>']

export const template: ChatTemplate = chatTemplate({ user: '<|user|>', assistant: '<|assistant|>', system: '<|system|>', end: '<|end|>' })

const colours = ['red', 'green', 'blue', 'white', 'black', 'brown']
const things = ['sky', 'grass', 'snow', 'coal', 'rose', 'earth']

export const conversations: readonly SftRow[] = things.flatMap((thing, i) => [
  {
    messages: [
      { role: 'user', content: `What colour is the ${thing}?` },
      { role: 'assistant', content: `It is ${colours[i]!}.` },
    ],
  },
  { prompt: `Name something ${colours[i]!}.`, completion: thing },
])

export const preferences: readonly PreferenceRow[] = things.map((thing, i) => ({
  prompt: `What colour is the ${thing}?`,
  chosen: `It is ${colours[i]!}.`,
  rejected: 'Go away.',
}))

export const tinyTokenizer = (): Promise<Tokenizer> =>
  trainBpe(
    conversations.map((row) => JSON.stringify(row)),
    { vocabSize: 300, specialTokens: markers },
  )

export const tinyConfig = (tokenizer: Tokenizer, options: { readonly kind?: 'gpt2' | 'llama'; readonly dropout?: number } = {}): DecoderConfig => {
  const sizes = { vocabSize: tokenizer.vocabSize, width: 16, layers: 2, heads: 2, context: 48 }
  return options.kind === 'llama' ? llama(sizes) : gpt2({ ...sizes, dropout: options.dropout ?? 0 })
}

export const tinyPolicy = (config: DecoderConfig, seed = 1): { config: DecoderConfig; weights: DecoderWeights } => ({
  config,
  weights: initWeights(config, { seed }),
})
