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
import { promptOf, type TextEmbedder } from './embedder.js'
import { encodeTexts, type EncoderInput } from './encode.js'
import { bucketBatches } from './plan.js'

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

/** A text encoder ready to use. Owns its weights unless they were borrowed: `using`, or `dispose()`. */
export interface TextEncoderModel extends TextEmbedder {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
  readonly tokenizer: TokenizerLike
}

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
  const held = await holdWeights(config, weights, { borrow: borrowWeights, device: where, capacity: config.context })
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
    width: config.width,
    context: config.context,
    prompts: {},
    async embed(texts, options = {}) {
      const { signal, onProgress } = options
      if (gone) throw new TransformerError('DISPOSED', 'the encoder was disposed; keep it until its last text is done')
      const prompt = promptOf(options, {})
      const encoded = texts.map((text, i) => idsOf(prompt + text, i, tokenizer))
      const cut = encoded.map((ids) => ids.subarray(0, config.context))
      const vectors = new Array<Float32Array>(texts.length)
      const turn = turns()
      let completed = 0
      for (const { length, rows, items } of bucketBatches(
        cut.map((ids) => ids.length),
        config.context,
      )) {
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
        completed += items.length
        onProgress?.({ task: 'embed', completed, total: texts.length, unit: 'texts' })
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
