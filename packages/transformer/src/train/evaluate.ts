import { throwIfAborted } from '@tesserae/core'
import { jit, tensor, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import type { DecoderWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { turns } from '../generate/turn.js'
import { disposeRotary, rotaryTables, type RotaryTables } from '../layers/rotary.js'
import { checkBatch, type Batches, type TokenBatch } from './data.js'
import { summedLoss, type BatchTensors } from './loss.js'

export interface Evaluation {
  /** Mean −log p over all targets, in nats. */
  readonly loss: number
  /** e^loss */
  readonly perplexity: number
  /** Targets counted. */
  readonly tokens: number
}

export interface EvaluateOptions {
  /** Batches to take, from the first; default all of them. */
  readonly batches?: number
  readonly signal?: AbortSignal
}

/** Measures models of one configuration; its program is kept between calls. */
export interface Evaluator extends Disposable {
  run(weights: DecoderWeights, data: Batches, options?: EvaluateOptions): Promise<Evaluation>
  dispose(): void
}

export interface EvaluatorOptions {
  readonly config: DecoderConfig
  /** Tables to share; made when needed otherwise. */
  readonly rotary?: RotaryTables
  readonly device?: Device | DeviceName
}

/** Makes an evaluator: `using`, or `dispose()`. */
export function createEvaluator({ config, rotary: given, device }: EvaluatorOptions): Evaluator {
  const rotary = given ?? (config.positions === 'rotary' ? rotaryTables(config) : undefined)
  const loss = jit(
    (weights: DecoderWeights, batch: BatchTensors, masked: boolean) =>
      summedLoss(weights, batch, { config, masked, ...(rotary === undefined ? {} : { rotary }) }),
    { name: 'evaluate', ...(device === undefined ? {} : { device }) },
  )
  const dispose = (): void => {
    loss.dispose()
    if (given === undefined && rotary !== undefined) disposeRotary(rotary)
  }
  return {
    async run(weights, data, { batches = data.count, signal } = {}) {
      if (batches === undefined || batches < 1)
        throw new TransformerError(
          'OPTION',
          `evaluate: batches must be a positive integer where the data has no end, got ${String(batches)}`,
        )
      const turn = turns()
      let sum = 0
      let tokens = 0
      for (let index = 0; index < Math.min(batches, data.count ?? Infinity); index++) {
        throwIfAborted(signal, 'Evaluation')
        const batch = await data.at(index)
        const learnt = checkBatch(batch, config.vocabSize)
        const tensors = batchTensors(batch)
        try {
          using result = await loss(weights, tensors, learnt < batch.ids.length)
          sum += await result.item()
        } finally {
          disposeBatch(tensors)
        }
        tokens += learnt
        await turn()
      }
      return { loss: sum / tokens, perplexity: Math.exp(sum / tokens), tokens }
    },
    dispose,
    [Symbol.dispose]: dispose,
  }
}

/** Mean loss of a model over batches, weighted by their targets. Errors: TOKEN, DATA, OPTION, and AbortError. */
export async function evaluate(weights: DecoderWeights, data: Batches, options: EvaluateOptions & EvaluatorOptions): Promise<Evaluation> {
  using evaluator = createEvaluator(options)
  return await evaluator.run(weights, data, options)
}

/** A batch as i32 [rows, length] tensors that take its arrays over. */
export const batchTensors = ({ ids, targets, rows, length }: TokenBatch): BatchTensors => ({
  ids: tensor(ids, { shape: [rows, length], adopt: true }),
  targets: tensor(targets, { shape: [rows, length], adopt: true }),
})

export function disposeBatch(batch: BatchTensors): void {
  for (const part of [batch.ids, batch.targets] satisfies Tensor[]) part.dispose()
}
