/** Generation of many continuations side by side: what rollouts, evaluations and data sets are made of. */
import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { flattenTree, jit, realize, sym, tensor, type Device, type DeviceName, type Tensor, type Tree } from '@tesserae/tensor'
import { checkConfig, type DecoderConfig } from '../architectures/config.js'
import { forwardCached } from '../architectures/decoder.js'
import type { DecoderWeights } from '../architectures/weights.js'
import { FixedCache } from '../cache/fixed.js'
import { TransformerError } from '../errors.js'
import type { LayerCache } from '../layers/attention.js'
import { disposeRotary, rotaryTables } from '../layers/rotary.js'
import { greedySampler, logprobOf } from './choose.js'
import { checkModelMemory, deviceFor, modelMemory } from './memory.js'
import { aborting, checkRoom, checkTokens, chosen } from './stream.js'
import { turns } from './turn.js'
import type { FinishReason, SamplerLike } from './types.js'

export interface BatchGeneratorOptions<Parameters = DecoderWeights> {
  readonly config: DecoderConfig
  /**
   * The weights that parameters stand for, where they are not the weights themselves: `(lora) => withLora(base, …)`, say. Called while the
   * program is recorded.
   */
  readonly weights?: (parameters: Parameters) => DecoderWeights
  /** Most sequences side by side; default 64. More are generated one batch after another. */
  readonly rows?: number
  /** Tokens, prompt included, that one sequence can hold; default the configuration's context. Caches are allocated in full. */
  readonly capacity?: number
  /** Where to run; default the device that the weights are on, or the default device. */
  readonly device?: Device | DeviceName
}

export interface BatchGenerateOptions {
  /** Most tokens to sample for each prompt; default: as many as there is room for. Errors: CAPACITY when there cannot be room. */
  readonly maxTokens?: number
  /** A sampler for each row, by its index among the prompts; default the most likely token each time. They must not share state. */
  readonly sampler?: (row: number) => SamplerLike
  /** Temperature for `tempered` log-probabilities: that of the samplers. Default 1. */
  readonly temperature?: number
  /** Ids that end a row; the id is the row's last. */
  readonly stop?: readonly number[]
  /** Stops within one step with an error named AbortError. */
  readonly signal?: AbortSignal
  /** Told of `tokens` sampled so far, after each step. */
  readonly onProgress?: OnProgress
}

/** One continuation. */
export interface BatchRow {
  /** Every sampled id; a stop id is the last. */
  readonly ids: readonly number[]
  /** Natural logarithm of each id's probability under the model itself, at temperature 1 and before the sampler. */
  readonly logprobs: readonly number[]
  /** The same under log softmax(logits / temperature): what a policy with that temperature assigns. */
  readonly tempered: readonly number[]
  readonly finishReason: FinishReason
}

/** Generates in batches with weights that may change between calls. Owns programs and tables: `using`, or `dispose()`. */
export interface BatchGenerator<Parameters = DecoderWeights> extends Disposable {
  /**
   * A continuation for each prompt, in their order. Prompts of equal length go through the model together, each row with a sampler of its own, so
   * that a row's result does not depend on which others there are. The parameters stay the caller's.
   *
   * Errors: TOKEN, CAPACITY and OPTION before anything runs, naming the prompt; OUT_OF_MEMORY when the device cannot hold a batch's cache; AbortError.
   */
  generate(parameters: Parameters, prompts: readonly ArrayLike<number>[], options?: BatchGenerateOptions): Promise<BatchRow[]>
  dispose(): void
}

/**
 * A generator for a configuration. Weights are an argument of its programs rather than part of them, so that a policy in training is not
 * compiled for again after each of its updates; `createModel` is faster for weights that stay. Errors: CONFIG, OPTION, CAPACITY.
 */
export function createBatchGenerator<Parameters = DecoderWeights>(options: BatchGeneratorOptions<Parameters>): BatchGenerator<Parameters> {
  const config = checkConfig(options.config)
  const { rows = 64, capacity = config.context, device } = options
  if (!Number.isInteger(rows) || rows < 1) throw new TransformerError('OPTION', `rows must be a positive integer, got ${rows}`)
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > config.context)
    throw new TransformerError(
      'CAPACITY',
      `capacity must be an integer from 1 to the model's context of ${config.context}, got ${capacity}`,
    )
  const weightsOf = options.weights ?? ((parameters: Parameters) => parameters as unknown as DecoderWeights)
  const rotary = config.positions === 'rotary' ? rotaryTables(config, { length: capacity }) : undefined
  const model = { config, ...(rotary === undefined ? {} : { rotary }) }
  const position = sym('position', { max: config.context })
  const only = sym('only', { max: config.context })
  const step = jit(
    (layers: readonly LayerCache[], parameters: Parameters, ids: Tensor) => {
      const single = ids.shape[1] === 1
      const { logits, cache } = forwardCached(weightsOf(parameters), ids, layers, { ...model, position, ...(single ? {} : { only }) })
      return { logits: logits.reshape(ids.shape[0]!, config.vocabSize), cache }
    },
    { donate: [0], name: 'decodeBatch', ...(device === undefined ? {} : { device }) },
  )

  /** Appends a column, or the prompts, to the cache: logits [rows, vocabSize] after the last of `tokens`. */
  const extend = async (
    parameters: Parameters,
    cache: FixedCache,
    ids: Int32Array,
    tokens: number,
    signal?: AbortSignal,
  ): Promise<Float32Array> => {
    cache.reserve(tokens)
    using input = tensor(ids, { shape: [cache.batch, ids.length / cache.batch], adopt: true })
    const symbols = new Map([
      [position, cache.position],
      [only, tokens - 1],
    ])
    const result = await step.run([cache.layers, parameters as never, input], { symbols, ...(signal === undefined ? {} : { signal }) })
    cache.replace(result.cache, tokens)
    using logits = result.logits
    return (await logits.data()) as Float32Array
  }

  let gone = false
  const generate: BatchGenerator<Parameters>['generate'] = async (parameters, prompts, call = {}) => {
    if (gone) throw new TransformerError('DISPOSED', 'the batch generator was disposed; keep it until its last generation has ended')
    const { signal, onProgress } = call
    const checked = prompts.map((prompt, row) => naming(row, () => checkedPrompt(prompt, config, capacity, call.maxTokens)))
    checkTemperature(call.temperature)
    throwIfAborted(signal, 'Generation')
    await realize(leavesOf(parameters))
    const states = checked.map((prompt, row) => new Row(prompt, capacity, call.sampler?.(row) ?? greedySampler, call))
    const turn = turns()
    let sampled = 0
    const groups = groupsOf(states, rows)
    const widest = Math.max(0, ...groups.map((group) => batchOf(group.length, rows)))
    const where = await deviceFor(leavesOf(parameters), device)
    checkModelMemory({ weights: [], cache: modelMemory(config, { capacity, batch: widest, sliding: false }).cache }, where)
    for (const group of groups) {
      if (group[0]!.limit === 0) continue
      const length = group[0]!.prompt.length
      const batch = batchOf(group.length, rows)
      using cache = new FixedCache(config, { batch, capacity })
      // The rows behind a prompt that is filled up are written again before anything sees them.
      const filled = Math.min(capacity, 2 ** Math.ceil(Math.log2(length)))
      let ids = new Int32Array(batch * filled)
      group.forEach(({ prompt }, i) => ids.set(prompt, i * filled))
      for (let tokens = length; ; tokens = 1) {
        throwIfAborted(signal, 'Generation')
        const logits = await aborting(extend(parameters, cache, ids, tokens, signal))
        ids = new Int32Array(batch)
        let running = 0
        for (const [i, state] of group.entries()) {
          if (state.finishReason !== undefined) continue
          ids[i] = state.push(logits.subarray(i * config.vocabSize, (i + 1) * config.vocabSize), config.vocabSize)
          sampled++
          if (state.finishReason === undefined) running++
        }
        onProgress?.({ task: 'generate', completed: sampled, unit: 'tokens' })
        if (running === 0) break
        await turn()
      }
    }
    return states.map(({ ids, logprobs, tempered, finishReason }) => ({ ids, logprobs, tempered, finishReason: finishReason ?? 'length' }))
  }
  const dispose = (): void => {
    if (gone) return
    gone = true
    step.dispose()
    if (rotary !== undefined) disposeRotary(rotary)
  }
  return { generate, dispose, [Symbol.dispose]: dispose }
}

/** One sequence under way. A finished one keeps its place in the batch, fed with id 0 and not looked at. */
class Row {
  readonly ids: number[] = []
  readonly logprobs: number[] = []
  readonly tempered: number[] = []
  readonly limit: number
  finishReason: FinishReason | undefined
  private readonly stop: ReadonlySet<number>
  private readonly temperature: number
  private readonly maxTokens: number | undefined

  constructor(
    readonly prompt: readonly number[],
    capacity: number,
    private readonly sampler: SamplerLike,
    { stop = [], temperature = 1, maxTokens }: BatchGenerateOptions,
  ) {
    const room = capacity - prompt.length + 1 // the last token is never written to the cache
    this.limit = Math.min(maxTokens ?? room, room)
    this.maxTokens = maxTokens
    this.stop = new Set(stop)
    this.temperature = temperature
    for (const id of prompt) sampler.accept?.(id)
  }

  push(logits: Float32Array, vocabSize: number): number {
    const id = chosen(this.sampler, logits, vocabSize)
    this.sampler.accept?.(id)
    const logprob = logprobOf(logits, id)
    this.ids.push(id)
    this.logprobs.push(logprob)
    this.tempered.push(this.temperature === 1 ? logprob : logprobOf(logits, id, this.temperature))
    if (this.stop.has(id)) this.finishReason = 'stop'
    else if (this.ids.length === this.limit) this.finishReason = this.limit === this.maxTokens ? 'length' : 'context'
    return id
  }
}

/** Rows of equal prompt length, `most` at a time. */
function groupsOf(states: readonly Row[], most: number): Row[][] {
  const byLength = new Map<number, Row[]>()
  for (const state of states) {
    const { length } = state.prompt
    byLength.set(length, [...(byLength.get(length) ?? []), state])
  }
  return [...byLength.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / most) }, (_, i) => group.slice(i * most, (i + 1) * most)),
  )
}

/** Batches are filled up to a power of two, so that few sizes are compiled for. */
const batchOf = (count: number, most: number): number => Math.min(most, 2 ** Math.ceil(Math.log2(count)))

function checkedPrompt(prompt: ArrayLike<number>, config: DecoderConfig, capacity: number, maxTokens: number | undefined): number[] {
  checkRoom(prompt.length, capacity, maxTokens)
  return checkTokens(prompt, config.vocabSize)
}

function naming<T>(row: number, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!TransformerError.isInstance(error)) throw error
    throw new TransformerError(error.code as TransformerError['code'], `prompt ${row}: ${error.message}`, { cause: error })
  }
}

function checkTemperature(temperature = 1): void {
  if (!(temperature > 0) || !Number.isFinite(temperature))
    throw new TransformerError('OPTION', `temperature must be above 0, got ${temperature}; for the most likely token leave the sampler out`)
}

const leavesOf = (parameters: unknown): Tensor[] => [...flattenTree(parameters as Tree<Tensor>).values()]
