/** Runs an encoder on many texts: in batches of like length, one program for all lengths where the device takes it. */
import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { jit, realize, sym, tensor, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import { bucketBatches, evenBatches, type BatchPlan } from '../embed/plan.js'
import { TransformerError } from '../errors.js'
import { checkModelMemory, deviceFor } from '../generate/memory.js'
import { turns } from '../generate/turn.js'
import { disposeRotary } from '../layers/rotary.js'
import type { BertConfig } from './config.js'
import { bertRotary, mostAtOnce, type BertInput, type BertRotary } from './forward.js'
import { bertWeightSpecs, disposeBertWeights, namedBertWeights, type BertWeights } from './weights.js'

/** A text's tokens. */
export interface TokenizedText {
  readonly ids: ArrayLike<number>
  /** Their segments; default all 0. */
  readonly types?: ArrayLike<number>
}

export interface RunTextsOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnProgress | undefined
  /** What is being done, for progress and errors. */
  readonly task: string
}

export interface BertRunner {
  /** A row of results for each text, in their order. Errors: TOKEN, AbortError between batches. */
  run(texts: readonly TokenizedText[], options: RunTextsOptions): Promise<Float32Array[]>
  dispose(): void
}

export interface BertRunnerOptions {
  readonly config: BertConfig
  /** Taken over, and frozen. */
  readonly weights: BertWeights
  readonly extra?: readonly Tensor[]
  readonly device?: Device | DeviceName | undefined
  readonly name: string
  /** Whether the texts have segments. */
  readonly segments: boolean
  /** Results [B, R] of a batch. */
  readonly compute: (input: BertInput, rotary: BertRotary | undefined) => Tensor
}

/** Texts of a batch at most. */
const mostRows = 64

/** Places the weights on their device. Errors: OUT_OF_MEMORY with the numbers. */
export async function bertRunner(options: BertRunnerOptions): Promise<BertRunner> {
  const { config, weights, extra = [], device, name, segments, compute } = options
  const named = namedBertWeights(weights)
  const leaves = [...named.values(), ...extra]
  const where = await deviceFor(leaves, device)
  const sizes = [...namedBertWeights(bertWeightSpecs(config))].map(([weight, { shape }]) => ({
    name: weight,
    bytes: 4 * shape.reduce((a, b) => a * b, 1),
  }))
  checkModelMemory({ weights: sizes, cache: [] }, where, named)
  await realize(leaves, { device: where })
  for (const leaf of leaves) leaf.freeze()
  const rotary = bertRotary(config)
  const tables = rotary === undefined ? [] : [rotary.global, rotary.local]
  for (const { cos, sin } of tables) for (const table of [cos, sin]) table.freeze()
  // Kernels are made for fixed sizes; ONNX Runtime takes any.
  const open = where.name === 'cpu' || where.name === 'reference'
  const rows = sym('texts', { max: mostRows })
  const tokens = sym('tokens', { max: config.context })
  const program = jit((input: BertInput): Tensor => compute(input, rotary), { name, ...(device === undefined ? {} : { device }) })
  let gone = false

  const runBatch = async (texts: readonly TokenizedText[], plan: BatchPlan, signal: AbortSignal | undefined): Promise<Float32Array> => {
    const { items } = plan
    // Attention goes block by block over long texts, which takes a program for each number of blocks.
    const fixed = !open || plan.length > mostAtOnce
    const length = open && fixed ? longLength(plan.length, config.context) : plan.length
    const shape = [plan.rows, length] as const
    const ids = new Int32Array(plan.rows * length)
    const types = segments ? new Int32Array(ids.length) : undefined
    const lengths = new Int32Array(plan.rows).fill(1)
    items.forEach((item, row) => {
      const text = texts[item]!
      ids.set(text.ids, row * length)
      if (text.types !== undefined) types?.set(text.types, row * length)
      lengths[row] = text.ids.length
    })
    const owned: Tensor[] = []
    const make = (values: Int32Array, of: readonly number[]): Tensor => {
      const made = tensor(values, { shape: of, adopt: true })
      owned.push(made)
      if (fixed) return made
      const opened = of.length === 1 ? made.symbolic(0, rows) : made.symbolic(0, rows).symbolic(1, tokens)
      owned.push(opened)
      return opened
    }
    const input: BertInput = {
      ids: make(ids, shape),
      lengths: make(lengths, [plan.rows]),
      ...(types === undefined ? {} : { types: make(types, shape) }),
    }
    try {
      using result = await program.run([input], signal === undefined ? {} : { signal })
      return (await result.data()) as Float32Array
    } finally {
      for (const one of owned) one.dispose()
    }
  }

  return {
    async run(texts, { signal, onProgress, task }) {
      if (gone) throw new TransformerError('DISPOSED', `the encoder was disposed; keep it until its last text is done`)
      for (const { ids, types } of texts) checkTokens(ids, types, config)
      const sizes = texts.map(({ ids }) => ids.length)
      const plans = open ? evenBatches(sizes, { rows: mostRows }) : bucketBatches(sizes, config.context)
      const results = new Array<Float32Array>(texts.length)
      const turn = turns()
      let completed = 0
      for (const plan of plans) {
        throwIfAborted(signal, task)
        const values = await runBatch(texts, plan, signal)
        const width = values.length / plan.rows
        plan.items.forEach((item, row) => (results[item] = values.slice(row * width, (row + 1) * width)))
        completed += plan.items.length
        onProgress?.({ task, completed, total: texts.length, unit: 'texts' })
        await turn()
      }
      return results
    },
    dispose() {
      if (gone) return
      gone = true
      program.dispose()
      tables.forEach(disposeRotary)
      for (const one of extra) one.dispose()
      disposeBertWeights(weights)
    },
  }
}

/** Long texts are filled up to a power of two or one and a half of it, so that few programs serve them. */
function longLength(tokens: number, context: number): number {
  const power = 2 ** Math.ceil(Math.log2(tokens))
  return Math.min(context, tokens <= 0.75 * power ? 0.75 * power : power)
}

function checkTokens(ids: ArrayLike<number>, types: ArrayLike<number> | undefined, config: BertConfig): void {
  const check = (values: ArrayLike<number>, count: number, what: string): void => {
    for (let i = 0; i < values.length; i++)
      if (!(values[i]! >= 0 && values[i]! < count))
        throw new TransformerError(
          'TOKEN',
          `${what} ${values[i]} is not known; this encoder has ${count}, from 0 on. Check that the tokenizer belongs to it`,
        )
  }
  check(ids, config.vocabSize, 'token id')
  if (types !== undefined && config.types > 0) check(types, config.types, 'segment')
}
