import { throwIfAborted } from '@tesserae/core'
import { jit, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import { checkConfig, type DecoderConfig } from '../architectures/config.js'
import { checkWeights, namedWeights, type DecoderWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { holdWeights } from '../generate/held-weights.js'
import { checkModelMemory, deviceFor, modelMemory } from '../generate/memory.js'
import { turns } from '../generate/turn.js'
import type { TokenizerLike } from '../generate/types.js'
import { checkTexts, disposeInput, filled, inputOf } from './batch.js'
import { encodeTexts, type EncoderInput } from './encode.js'

export interface CreateEncoderOptions {
  /** The layers; `tied: true`, because an encoder has no output head. */
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
  readonly tokenizer: TokenizerLike
  /** Where to run; default the device that the weights are on, or the default device. */
  readonly device?: Device | DeviceName
  /** The weights stay the caller's and are left unfrozen: for a look at an encoder in training. Default false. */
  readonly borrowWeights?: boolean
}

export interface Embeddings {
  /** One vector of `width` entries and length 1 for each text, in their order. */
  readonly vectors: readonly Float32Array[]
  /** Tokens of all texts, as far as they were read. */
  readonly tokens: number
  /** Texts longer than the context, of which only the beginning was read. */
  readonly truncated: number
}

/** A text encoder ready to use. Owns its weights unless they were borrowed: `using`, or `dispose()`. */
export interface TextEncoderModel extends Disposable {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
  readonly tokenizer: TokenizerLike
  /** Vectors of texts. Errors: DATA for a text without tokens, TOKEN, and AbortError between batches. */
  embed(texts: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<Embeddings>
  dispose(): void
}

/** Rows of a program: texts are sorted by length and run so many at a time. */
const batchRows: readonly number[] = [32, 8, 1]

/**
 * Makes an encoder of a configuration and its weights: text → a vector of length 1. It takes the weights over as `createModel` does.
 * Programs are compiled for few shapes, on first use. Errors: CONFIG, WEIGHTS; OUT_OF_MEMORY as there.
 */
export async function createEncoder(options: CreateEncoderOptions): Promise<TextEncoderModel> {
  const { weights, tokenizer, device, borrowWeights = false } = options
  const config = checkEncoderConfig(options.config)
  checkWeights(weights, config)
  const named = namedWeights(weights)
  const where = await deviceFor(named.values(), device)
  checkModelMemory(modelMemory(config, { capacity: 0 }), where, named)
  const held = await holdWeights(config, weights, { borrow: borrowWeights, device: where })
  const encode = jit((input: EncoderInput): Tensor => encodeTexts(weights, input, held.model), {
    name: 'encodeTexts',
    ...(device === undefined ? {} : { device }),
  })
  let gone = false
  const dispose = (): void => {
    if (gone) return
    gone = true
    encode.dispose()
    held.release()
  }
  return {
    config,
    weights,
    tokenizer,
    async embed(texts, { signal } = {}) {
      if (gone) throw new TransformerError('DISPOSED', 'the encoder was disposed; keep it until its last text is done')
      const encoded = texts.map((text, i) => idsOf(text, i, tokenizer))
      const cut = encoded.map((ids) => ids.subarray(0, config.context))
      const vectors = new Array<Float32Array>(texts.length)
      const turn = turns()
      for (const { length, rows, items } of batchesOf(cut, config.context)) {
        throwIfAborted(signal, 'Embedding')
        const batch = filled(
          items.map((item) => cut[item]!),
          length,
          rows,
        )
        checkTexts(batch, config)
        const input = inputOf(batch)
        try {
          using result = await encode.run([input], signal === undefined ? {} : { signal })
          const values = (await result.data()) as Float32Array
          items.forEach((item, row) => (vectors[item] = values.slice(row * config.width, (row + 1) * config.width)))
        } finally {
          disposeInput(input)
        }
        await turn()
      }
      return {
        vectors,
        tokens: cut.reduce((sum, ids) => sum + ids.length, 0),
        truncated: encoded.filter((ids) => ids.length > config.context).length,
      }
    },
    dispose,
    [Symbol.dispose]: dispose,
  }
}

/** A configuration that can be an encoder's. Errors: CONFIG. */
export function checkEncoderConfig(config: DecoderConfig | Readonly<Record<string, unknown>>): DecoderConfig {
  const checked = checkConfig(config)
  if (!checked.tied)
    throw new TransformerError('CONFIG', 'config.tied is false; expected true: an encoder has no output head to keep apart')
  return checked
}

function idsOf(text: string, i: number, tokenizer: TokenizerLike): Int32Array {
  const ids = Int32Array.from(tokenizer.encode(text, { special: 'text' }))
  if (ids.length === 0)
    throw new TransformerError('DATA', `text ${i} (${JSON.stringify(text)}) has no tokens, so it has no vector; leave it out`)
  return ids
}

interface BatchPlan {
  readonly length: number
  readonly rows: number
  readonly items: readonly number[]
}

/** Texts of like length together: lengths are filled up to 16 · 2^k or the context, rows to one of a few numbers. */
function batchesOf(texts: readonly ArrayLike<number>[], context: number): BatchPlan[] {
  const byLength = new Map<number, number[]>()
  texts.forEach((text, i) => {
    const length = Math.min(context, 2 ** Math.max(4, Math.ceil(Math.log2(text.length))))
    const items = byLength.get(length)
    if (items === undefined) byLength.set(length, [i])
    else items.push(i)
  })
  const plans: BatchPlan[] = []
  for (const [length, items] of byLength) {
    for (let start = 0; start < items.length;) {
      const left = items.length - start
      const rows = batchRows.findLast((candidate) => candidate >= left) ?? batchRows[0]!
      plans.push({ length, rows, items: items.slice(start, start + rows) })
      start += rows
    }
  }
  return plans
}
