import type { OnProgress } from '@tesserae/core'
import { TransformerError } from '../errors.js'

export interface EmbedOptions {
  /** Stops between batches, with an error named AbortError. */
  readonly signal?: AbortSignal
  /** Task `embed`, in texts. */
  readonly onProgress?: OnProgress
  /** Put before each text, as some models were trained with: `query: `. Default: what `promptName` says. */
  readonly prompt?: string
  /** One of the model's `prompts`; default the one that its files name, mostly none. */
  readonly promptName?: string
}

export interface Embeddings {
  /** One vector for each text, in their order. Of length 1, unless the model's files leave them as they are. */
  readonly vectors: readonly Float32Array[]
  /** Tokens of all texts, as far as they were read. */
  readonly tokens: number
  /** Texts longer than the context, of which only the beginning was read. */
  readonly truncated: number
}

/** Makes vectors of texts: an encoder that was trained here or comes from a checkpoint, on whatever runs it. Own it: `using`, or `dispose()`. */
export interface TextEmbedder extends Disposable {
  /** Entries of a vector. */
  readonly width: number
  /** Longest text in tokens, special ones included; longer ones are cut. */
  readonly context: number
  /** What the model's files say to put before texts, by name. */
  readonly prompts: Readonly<Record<string, string>>
  /** Vectors of texts. Errors: DATA for a text without tokens, OPTION for a prompt that is not known, TOKEN, and AbortError between batches. */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Embeddings>
  dispose(): void
}

/** Names that every model has, as in sentence-transformers; nothing goes before the text where its files do not say what. */
const usualNames: readonly string[] = ['query', 'document']

/** What goes before each text. Errors: OPTION. */
export function promptOf({ prompt, promptName }: EmbedOptions, prompts: Readonly<Record<string, string>>, fallback?: string): string {
  if (prompt !== undefined) return prompt
  const name = promptName ?? fallback
  if (name === undefined) return ''
  if (Object.hasOwn(prompts, name)) return prompts[name]!
  if (usualNames.includes(name)) return ''
  const known = [...new Set([...Object.keys(prompts), ...usualNames])]
  throw new TransformerError(
    'OPTION',
    `embed: promptName is ${JSON.stringify(name)}; expected one of ${known.join(', ')}, or any text as prompt`,
  )
}
