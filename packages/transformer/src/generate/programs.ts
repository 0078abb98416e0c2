/** The compiled programs of one model: a few prompt chunks, the decoding step, and whole sequences. */
import { jit, sym, tensor, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { forward, forwardCached } from '../architectures/decoder.js'
import type { AnyDecoderWeights } from '../architectures/weights.js'
import type { FixedCache } from '../cache/fixed.js'
import { TransformerError } from '../errors.js'
import type { LayerCache } from '../layers/attention.js'
import type { RotaryTables } from '../layers/rotary.js'

/** Prompts are cut into pieces of these lengths, so that a model needs as many programs and no more. */
export const chunkLengths: readonly number[] = [256, 64, 16, 1]

export interface Piece {
  /** Tokens of the prompt. */
  readonly tokens: number
  /** Tokens the program runs on: the rest is filling, whose rows are overwritten later. */
  readonly length: number
}

/**
 * How to run `count` new tokens: the longest pieces first; an end of more than two tokens goes as one filled-up piece where the
 * cache has `room` for it, since on a CPU a few single steps cost more than sixteen tokens at once.
 */
export function piecesOf(count: number, room: number): Piece[] {
  const pieces: Piece[] = []
  let left = count
  let free = room
  while (left > 0) {
    const filled = left > 2 && left < 16 && free >= 16
    const length = filled ? 16 : chunkLengths.find((candidate) => candidate <= left)!
    const tokens = Math.min(left, length)
    pieces.push({ tokens, length })
    left -= tokens
    free -= tokens
  }
  return pieces
}

export interface ProgramOptions {
  readonly config: DecoderConfig
  readonly weights: AnyDecoderWeights
  readonly rotary?: RotaryTables
  readonly device?: Device | DeviceName
}

export interface Programs {
  /** Appends ids to the cache; logits [vocabSize] of the last one. Checks the room first. */
  extend(cache: FixedCache, ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** Logits [vocabSize] of the last of a whole sequence, nothing cached. */
  last(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** Logits of every position of a sequence, [ids, vocabSize]. */
  all(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** Attention of a sequence by layer, each [heads, ids, ids]. */
  attention(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array[]>
  dispose(): void
}

/** Programs are compiled on first use. */
export function makePrograms({ config, weights, rotary, device }: ProgramOptions): Programs {
  const position = sym('position', { max: config.context })
  const only = sym('only', { max: config.context })
  const options = { config, ...(rotary === undefined ? {} : { rotary }) }
  const where = device === undefined ? {} : { device }

  const step = jit(
    (layers: readonly LayerCache[], ids: Tensor) => {
      const single = ids.shape[1] === 1
      const { logits, cache } = forwardCached(weights, ids, layers, { ...options, position, ...(single ? {} : { only }) })
      return { logits: logits.reshape(config.vocabSize), cache }
    },
    { donate: [0], name: 'decode', ...where },
  )
  const whole = jit((ids: Tensor) => forward(weights, ids, options).reshape(ids.shape[1]!, config.vocabSize), { name: 'score', ...where })
  const wholeLast = jit((ids: Tensor) => forward(weights, ids, options).slice(1, only, only.plus(1)).reshape(config.vocabSize), {
    name: 'scoreLast',
    ...where,
  })
  const looks = jit((ids: Tensor) => forward(weights, ids, { ...options, capture: ['attention'] }).attention, {
    name: 'attention',
    ...where,
  })

  const callOptions = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal })

  const extend: Programs['extend'] = async (cache, ids, signal) => {
    cache.reserve(ids.length)
    let done = 0
    const pieces = piecesOf(ids.length, cache.capacity - cache.position)
    for (const [i, piece] of pieces.entries()) {
      using input = idsTensor(ids.slice(done, done + piece.tokens), piece.length)
      const symbols = new Map([
        [position, cache.position],
        [only, piece.tokens - 1],
      ])
      const result = await step.run([cache.layers, input], { symbols, ...callOptions(signal) })
      cache.replace(result.cache, piece.tokens)
      done += piece.tokens
      if (i === pieces.length - 1) return read(result.logits)
      result.logits.dispose()
    }
    throw new TransformerError('TOKEN', 'extend was given no tokens')
  }

  return {
    extend,
    async last(ids, signal) {
      using input = idsTensor(ids, paddedLength(ids.length, config.context))
      return read(await wholeLast.run([input], { symbols: new Map([[only, ids.length - 1]]), ...callOptions(signal) }))
    },
    async all(ids, signal) {
      using input = idsTensor(ids, paddedLength(ids.length, config.context))
      const logits = await read(await whole.run([input], callOptions(signal)))
      return logits.subarray(0, ids.length * config.vocabSize)
    },
    async attention(ids, signal) {
      const length = paddedLength(ids.length, config.context)
      using input = idsTensor(ids, length)
      const layers = await looks.run([input], callOptions(signal))
      const read = await Promise.all(layers.map((layer) => layer.data() as Promise<Float32Array>))
      for (const layer of layers) layer.dispose()
      return read.map((layer) => cropped(layer, config.heads, length, ids.length))
    },
    dispose() {
      step.dispose()
      looks.dispose()
      whole.dispose()
      wholeLast.dispose()
    },
  }
}

/** Whole sequences are filled up to a power of two, so that few lengths are compiled for; what is behind a token never shows in its logits. */
const paddedLength = (length: number, context: number): number => Math.min(context, 2 ** Math.max(4, Math.ceil(Math.log2(length))))

/** Ids as i32 [1, length], filled up with id 0. */
function idsTensor(ids: readonly number[], length: number): Tensor {
  const values = new Int32Array(length)
  values.set(ids)
  return tensor(values, { shape: [1, length], adopt: true })
}

/** [heads, length, length] without the rows and columns of the filling, which tokens before it never look at. */
function cropped(values: Float32Array, heads: number, length: number, tokens: number): Float32Array {
  const out = new Float32Array(heads * tokens * tokens)
  for (let row = 0; row < heads * tokens; row++) {
    const from = (Math.floor(row / tokens) * length + (row % tokens)) * length
    out.set(values.subarray(from, from + tokens), row * tokens)
  }
  return out
}

async function read(logits: Tensor): Promise<Float32Array> {
  using owned = logits
  return (await owned.data()) as Float32Array
}
