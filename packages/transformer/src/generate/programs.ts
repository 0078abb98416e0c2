/** The compiled programs of one model: a few prompt chunks, the decoding step, and whole sequences. */
import { cacheWrite, crossEntropy, jit, sym, tensor, type Device, type QuantizedInputs, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { forward, forwardCached, forwardHidden } from '../architectures/decoder.js'
import type { AnyDecoderWeights } from '../architectures/weights.js'
import type { FixedCache } from '../cache/fixed.js'
import { disposeCache, mapCache } from '../cache/parts.js'
import { longestPiece } from '../cache/sliding.js'
import type { SequenceCache } from '../cache/sequence.js'
import { runOf, type StackRun } from '../cache/stack.js'
import type { LayerCache } from '../layers/attention.js'
import { disposeRotary, frozenTables, type RotaryTables } from '../layers/rotary.js'
import { given, idsTensor, nothing, read, viewed, wholeNumbers, type Given, type View } from './views.js'

/** Prompts are cut into pieces of these lengths, so that a model needs as many programs and no more. */
const chunkLengths: readonly number[] = [longestPiece, 64, 16, 1]

/** Longest piece of a prompt while other streams wait for their next token. */
export const shortPiece = 64

/** Tokens whose probabilities are computed in one go: their logits are all there at once. */
export const judgedRows = longestPiece

/** Rows of a cache that are copied in one go. */
const copiedRows = 256

export interface Piece {
  /** Tokens of the prompt. */
  readonly tokens: number
  /** Tokens the program runs on: the rest is filling, whose rows are overwritten later. */
  readonly length: number
}

/**
 * How to run `count` new tokens: the longest pieces first; an end of more than two tokens goes as one filled-up piece where the
 * cache has `room` for it, since on a CPU a few single steps cost more than sixteen tokens at once. None is longer than `longest`, 16 at least.
 */
export function piecesOf(count: number, room: number, longest = Infinity): Piece[] {
  const pieces: Piece[] = []
  let left = count
  let free = room
  while (left > 0) {
    const filled = left > 2 && left < 16 && free >= 16
    const length = filled ? 16 : chunkLengths.find((candidate) => candidate <= left && candidate <= longest)!
    const tokens = Math.min(left, length)
    pieces.push({ tokens, length })
    left -= tokens
    free -= tokens
  }
  return pieces
}

/** A piece of which all logits are wanted: few tokens as a rule, filled up to a power of two where there is room. */
export function judgedPiece(left: number, room: number): Piece {
  const tokens = Math.min(left, shortPiece)
  const length = 2 ** Math.ceil(Math.log2(tokens))
  return { tokens, length: length <= room ? length : tokens }
}

/** Pieces for a device whose programs take any length: none is filled up, none is longer than {@link longestPiece}. */
const exactPieces = (count: number, longest: number): Piece[] =>
  Array.from({ length: Math.ceil(count / longest) }, (_, i) => {
    const tokens = Math.min(longest, count - i * longest)
    return { tokens, length: tokens }
  })

export interface ProgramOptions {
  readonly config: DecoderConfig
  readonly weights: AnyDecoderWeights
  readonly rotary?: RotaryTables
  /** Tokens that every cache holds. */
  readonly capacity: number
  /** Tokens of a prompt that run at once where a device takes any number; default, and at most, 256. */
  readonly piece?: number
  readonly device: Device
  readonly activations: QuantizedInputs
  /** Ids below it can be chosen. */
  readonly vocabulary: number
}

/** Which logits of a piece are wanted: those of its last token, or of all. */
export type Wanted = 'none' | 'last' | 'all'

/** Programs for texts in caches of one kind. */
export interface CachePrograms<Cache extends SequenceCache> {
  /** How to run `count` new tokens of a text in a cache with `room` for so many, none of the pieces longer than `longest`. */
  pieces(count: number, room: number, longest?: number): Piece[]
  /**
   * Appends a piece of a text, filled up to `length`, to a cache: one row, logits [vocabSize] of the last id, or [ids, vocabSize] of all. Or what `view` says in place of each id's logits. Checks the room first.
   */
  extend(
    cache: Cache,
    ids: readonly number[],
    options: { readonly length: number; readonly wanted: Wanted; readonly view?: View; readonly signal?: AbortSignal },
  ): Promise<Given>
  /** Appends an id to each of several caches: for each logits [vocabSize], or what `view` says. Checks the room of each first. */
  step(caches: readonly Cache[], ids: readonly number[], view?: View): Promise<Given>
  /** Whether caches lie so that a step takes them as one batch, for which no others have to be filled in. */
  together(caches: readonly Cache[]): boolean
  /** Makes the first `tokens` tokens of a cache those of another. */
  copy(from: Cache, to: Cache, tokens: number): Promise<void>
}

/** Programs for texts in caches of fixed capacity, and for whole ones. */
export interface Programs extends CachePrograms<FixedCache> {
  /** Logits [vocabSize] of the last of a whole sequence, nothing cached. */
  last(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** Logits of every position of a sequence, [ids, vocabSize]. */
  all(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** What the last norm gives for every position of a sequence, [ids, width]. */
  hidden(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** −ln of the probability of each label behind its id, for ids that are appended to a cache, 256 at most. */
  losses(cache: FixedCache, ids: readonly number[], labels: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  /** Attention of a sequence by layer, each [heads, ids, ids]. */
  attention(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array[]>
  dispose(): void
}

/** Programs are compiled on first use. */
export function makePrograms({
  config,
  capacity,
  piece: most = longestPiece,
  weights,
  rotary,
  device,
  activations,
  vocabulary,
}: ProgramOptions): Programs {
  const position = sym('position', { max: config.context })
  const only = sym('only', { max: config.context })
  const tokens = sym('tokens', { max: Math.min(longestPiece, capacity) })
  const { anyLength = false } = device.caps
  /** Where rows begin in layers that slide. */
  const row = config.windows === undefined ? position : sym('row', { max: config.context })
  const options = { config, ...(rotary === undefined ? {} : { rotary }) }
  const where = { device, quantizedInputs: activations }

  const piece = jit(
    (layers: readonly LayerCache[], ids: Tensor, all: boolean, view: View) => {
      const single = ids.shape[1] === 1
      const result = forwardCached(weights, ids, layers, { ...options, position, row, ...(single || all ? {} : { only }) })
      return { logits: viewed(result, view, vocabulary), cache: result.cache }
    },
    { donate: [0], static: [3], name: 'decode', ...where },
  )
  const step = jit(
    (layers: readonly (LayerCache | readonly LayerCache[])[], ids: Tensor, positions: Tensor, row: Tensor, view: View, idle?: Tensor) => {
      const own = { ...options, position: positions, row, ...(idle === undefined ? {} : { idle }) }
      const result = forwardCached(weights, ids, layers as readonly LayerCache[], own)
      return { logits: viewed(result, view, vocabulary), cache: result.cache }
    },
    { donate: [0], static: [4], name: 'decodeRows', ...where },
  )
  const copyRows = jit(
    (to: readonly LayerCache[], from: readonly LayerCache[]) => {
      const rows = Math.min(copiedRows, from[0]!.k.shape[2] as number)
      const moved = (source: Tensor, target: Tensor): Tensor => cacheWrite(target, source.slice(2, position, position.plus(rows)), position)
      return to.map((target, layer) => mapCache(target, (part, name) => moved(from[layer]![name]!, part)))
    },
    { donate: [0], name: 'copyCache', ...where },
  )
  // Rows move within the same memory, so they are elsewhere in between: of one layer at a time.
  const takeRows = jit((layer: LayerCache, kept: number) => mapCache(layer, (part) => part.slice(2, row, row.plus(kept))), {
    static: [1],
    name: 'slideFrom',
    ...where,
  })
  const putRows = jit((layer: LayerCache, rows: LayerCache) => mapCache(layer, (part, name) => cacheWrite(part, rows[name]!, 0)), {
    donate: [0],
    name: 'slideTo',
    ...where,
  })
  // Whole sequences may be longer than a cache; such tables are made when the first comes.
  let tables = rotary
  let longTables: RotaryTables | undefined
  const wholeOptions = () => ({ config, ...(tables === undefined ? {} : { rotary: tables }) })
  const whole = jit((ids: Tensor) => forward(weights, ids, wholeOptions()).reshape(ids.shape[1]!, config.vocabSize), {
    name: 'score',
    ...where,
  })
  const wholeLast = jit((ids: Tensor) => forward(weights, ids, wholeOptions()).slice(1, only, only.plus(1)).reshape(config.vocabSize), {
    name: 'scoreLast',
    ...where,
  })
  const states = jit((ids: Tensor) => forwardHidden(weights, ids, wholeOptions()).reshape(ids.shape[1]!, config.width), {
    name: 'hidden',
    ...where,
  })
  const judge = jit(
    (layers: readonly LayerCache[], ids: Tensor, labels: Tensor) => {
      const { logits, cache } = forwardCached(weights, ids, layers, { ...options, position, row })
      return { losses: crossEntropy(logits, labels).reshape(ids.shape[1]!), cache }
    },
    { donate: [0], name: 'losses', ...where },
  )
  const looks = jit((ids: Tensor) => forward(weights, ids, { ...wholeOptions(), capture: ['attention'] }).attention, {
    name: 'attention',
    ...where,
  })

  /** Ids of a whole sequence, filled up to a power of two so that few lengths are compiled for; what is behind a token never shows in its logits. */
  const wholeSequence = (ids: readonly number[]): Tensor => {
    const length = paddedLength(ids.length, config.context)
    if (rotary !== undefined && length > capacity) tables = longTables ??= frozenTables(config, config.context)
    return idsTensor(ids, length)
  }
  const ofAnyLength = (ids: Tensor): Tensor => (anyLength ? ids.symbolic(1, tokens) : ids)

  const callOptions = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal })

  /** Makes room for so many tokens in the layers that slide. */
  const slide = async (cache: FixedCache, tokens: number): Promise<void> => {
    const due = cache.toSlide(tokens)
    if (due === undefined) return
    const layers = [...cache.part(true)]
    for (const [i, layer] of layers.entries()) {
      const rows = await takeRows.run([layer, due.kept], { symbols: new Map([[row, due.from]]) })
      try {
        layers[i] = await putRows.run([layer, rows])
        cache.replacePart(true, layers)
      } finally {
        disposeCache(rows)
      }
    }
    cache.slid(due.from)
  }

  const symbolsOf = (cache: FixedCache, last: number) =>
    new Map([
      [position, cache.position],
      [row, cache.row],
      [only, last],
    ])

  const extend: Programs['extend'] = async (cache, ids, { length, wanted, view = 'logits', signal }) => {
    cache.reserve(ids.length)
    await slide(cache, length)
    using owned = idsTensor(ids, length)
    const input = ofAnyLength(owned)
    const symbols = symbolsOf(cache, ids.length - 1)
    const result = await piece.run([cache.layers, input, wanted === 'all', view], { symbols, ...callOptions(signal) })
    cache.replace(result.cache, ids.length)
    if (wanted !== 'none') return given(result.logits, 1)
    result.logits.dispose()
    return nothing
  }

  /** A step of caches anywhere in memory: all but attention is one batch. */
  const stepApart = async (caches: readonly FixedCache[], ids: readonly number[], view: View) => {
    const layers = caches[0]!.layers.map((_, layer) => caches.map((cache) => cache.layers[layer]!))
    using input = tensor(Int32Array.from(ids), { shape: [ids.length, 1], adopt: true })
    using positions = wholeNumbers(caches.map((cache) => cache.position))
    using rows = wholeNumbers(caches.map((cache) => cache.row))
    const result = await step.run([layers, input, positions, row === position ? positions : rows, view])
    const written = result.cache as unknown as readonly (readonly LayerCache[])[]
    for (const [at, cache] of caches.entries())
      cache.replace(
        written.map((rows) => rows[at]!),
        1,
      )
    return given(result.logits, caches.length)
  }

  /** A step of caches beside each other: one batch. */
  const stepTogether = async ({ stack, from, count }: StackRun, caches: readonly FixedCache[], ids: readonly number[], view: View) => {
    const places = caches.map(({ place }) => place!.row - from)
    /** A number for each row of the run; `idle` where it is nobody's. */
    const ofRows = (valueOf: (cache: FixedCache, i: number) => number, idle = 0): number[] => {
      const out = new Array<number>(count).fill(idle)
      for (const [i, place] of places.entries()) out[place] = valueOf(caches[i]!, i)
      return out
    }
    using input = tensor(Int32Array.from(ofRows((_, i) => ids[i]!)), { shape: [count, 1], adopt: true })
    using positions = wholeNumbers(ofRows((cache) => cache.position))
    using rows = wholeNumbers(ofRows((cache) => cache.row))
    // Where each row is somebody's, which is where it matters most, the program is another: nothing is to be chosen, so kernels take queries, keys and values as the product of the weights gave them.
    using idle =
      caches.length === count ? undefined : tensor(Uint8Array.from(ofRows(() => 0, 1)), { dtype: 'bool', shape: [count], adopt: true })
    const running = step.run([stack.run(from, count), input, positions, row === position ? positions : rows, view, idle])
    const result = await running.catch((error: unknown) => {
      stack.replace(from, count, undefined)
      throw error
    })
    stack.replace(from, count, result.cache)
    for (const cache of caches) cache.advance(1)
    const { rows: all, dispose } = await given(result.logits, count)
    return { rows: places.map((place) => all[place]!), dispose }
  }

  const stepRows: Programs['step'] = async (caches, ids, view = 'logits') => {
    for (const cache of caches) cache.reserve(1)
    for (const cache of caches) await slide(cache, 1)
    const run = runOf(caches)
    return run === undefined ? stepApart(caches, ids, view) : stepTogether(run, caches, ids, view)
  }

  const copy: Programs['copy'] = async (from, to, tokens) => {
    to.truncate(0)
    to.reserve(tokens)
    for (const slides of [false, true]) {
      const [first] = to.part(slides)
      if (first === undefined) continue
      const capacity = first.k.shape[2] as number
      const rows = Math.min(copiedRows, capacity)
      const count = slides ? tokens - from.position + from.row : tokens
      for (let at = 0; at < count; at += rows) {
        // The last piece lies where it fits, over rows that were copied before.
        const symbols = new Map([[position, Math.min(at, capacity - rows)]])
        to.replacePart(slides, await copyRows.run([to.part(slides), from.part(slides)], { symbols }))
      }
    }
    to.become(from, tokens)
  }

  return {
    pieces: (count, room, longest = Infinity) => (anyLength ? exactPieces(count, Math.min(longest, most)) : piecesOf(count, room, longest)),
    extend,
    step: stepRows,
    together: (caches) => runOf(caches) !== undefined,
    copy,
    async last(ids, signal) {
      using input = wholeSequence(ids)
      return read(await wholeLast.run([input], { symbols: new Map([[only, ids.length - 1]]), ...callOptions(signal) }))
    },
    async all(ids, signal) {
      using input = wholeSequence(ids)
      const logits = await read(await whole.run([input], callOptions(signal)))
      return logits.subarray(0, ids.length * config.vocabSize)
    },
    async hidden(ids, signal) {
      using input = wholeSequence(ids)
      const values = await read(await states.run([input], callOptions(signal)))
      return values.subarray(0, ids.length * config.width)
    },
    async losses(cache, ids, labels, signal) {
      const length = anyLength ? ids.length : judgedLength(ids.length, cache.capacity - cache.position)
      await slide(cache, length)
      using input = idsTensor(ids, length)
      using targets = idsTensor(labels, length)
      const result = await judge.run([cache.layers, ofAnyLength(input), ofAnyLength(targets)], {
        symbols: symbolsOf(cache, 0),
        ...callOptions(signal),
      })
      cache.replace(result.cache, ids.length)
      return (await read(result.losses)).subarray(0, ids.length)
    },
    async attention(ids, signal) {
      using input = wholeSequence(ids)
      const length = input.shape[1] as number
      const layers = await looks.run([input], callOptions(signal))
      const read = await Promise.all(layers.map((layer) => layer.data() as Promise<Float32Array>))
      for (const layer of layers) layer.dispose()
      return read.map((layer) => cropped(layer, config.heads, length, ids.length))
    },
    dispose() {
      piece.dispose()
      step.dispose()
      copyRows.dispose()
      takeRows.dispose()
      putRows.dispose()
      looks.dispose()
      states.dispose()
      judge.dispose()
      whole.dispose()
      wholeLast.dispose()
      if (longTables !== undefined) disposeRotary(longTables)
    },
  }
}

/** Of what is judged, where programs are made for lengths: few of them, as far as there is `room`. */
const judgedLength = (count: number, room: number): number =>
  count > 16 && judgedRows <= room ? judgedRows : Math.max(piecesOf(count, room)[0]!.length, count)

const paddedLength = (length: number, context: number): number => Math.min(context, 2 ** Math.max(4, Math.ceil(Math.log2(length))))

/** [heads, length, length] without the rows and columns of the filling, which tokens before it never look at. */
function cropped(values: Float32Array, heads: number, length: number, tokens: number): Float32Array {
  const out = new Float32Array(heads * tokens * tokens)
  for (let row = 0; row < heads * tokens; row++) {
    const from = (Math.floor(row / tokens) * length + (row % tokens)) * length
    out.set(values.subarray(from, from + tokens), row * tokens)
  }
  return out
}
