import { throwIfAborted } from '@tesserae/core'
import { arange, jit, realize, tensor, where, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import {
  checkConfig,
  disposeRotary,
  forwardHidden,
  namedWeights,
  rotaryTables,
  type DecoderConfig,
  type DecoderWeights,
} from '@tesserae/transformer'
import { RlhfError } from '../errors.js'
import type { BatchReward, RewardSample } from './reward.js'

/** A linear layer from the residual stream to one number. */
export interface ScalarHead<Leaf = Tensor> {
  /** [1, width] */
  readonly weight: Leaf
  /** [1] */
  readonly bias?: Leaf
}

/** A decoder with a head that gives one number for each position. */
export interface ScalarModel {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
  readonly head: ScalarHead
}

/** hidden [B, T, width] → [B, T]. */
export function scalarsOf(head: ScalarHead, hidden: Tensor): Tensor {
  const out = hidden.matmul(head.weight, { transB: true, ...(head.bias === undefined ? {} : { bias: head.bias }) })
  return out.reshape(hidden.shape[0]!, hidden.shape[1]!)
}

export interface ModelRewardOptions {
  /** Samples side by side; default 16. */
  readonly rows?: number
  readonly device?: Device | DeviceName
}

/**
 * A reward model as a reward: the number that its head gives at the last token of prompt and completion. The model stays the caller's; the reward
 * owns its program: `using`, or `dispose()`. Errors while scoring: LENGTH for a sample beyond the model's context.
 */
export function modelReward(model: ScalarModel, options: ModelRewardOptions = {}): BatchReward & Disposable {
  const config = checkConfig(model.config)
  const { rows = 16, device } = options
  const rotary = config.positions === 'rotary' ? rotaryTables(config) : undefined
  const program = jit(
    (weights: DecoderWeights, head: ScalarHead, ids: Tensor, last: Tensor) => {
      const scores = scalarsOf(head, forwardHidden(weights, ids, { config, ...(rotary === undefined ? {} : { rotary }) }))
      const isLast = arange(ids.shape[1]!).unsqueeze(0).eq(last.unsqueeze(-1))
      return where(isLast, scores, 0).sum(-1)
    },
    { name: 'modelReward', ...(device === undefined ? {} : { device }) },
  )
  const dispose = (): void => {
    program.dispose()
    if (rotary !== undefined) disposeRotary(rotary)
  }
  return {
    async score(samples, { signal }) {
      await realize([...namedWeights(model.weights).values(), ...Object.values(model.head).filter((leaf) => leaf !== undefined)])
      const sequences = samples.map((sample) => sequenceOf(sample, config.context))
      const out: number[] = []
      for (let from = 0; from < samples.length; from += rows) {
        throwIfAborted(signal, 'Scoring')
        const batch = sequences.slice(from, from + rows)
        // Few shapes: full batches, of a length that is a power of two.
        const length = Math.min(config.context, 2 ** Math.ceil(Math.log2(Math.max(...batch.map((ids) => ids.length)))))
        const ids = new Int32Array(rows * length)
        const last = new Int32Array(rows)
        for (const [i, sequence] of batch.entries()) {
          ids.set(sequence, i * length)
          last[i] = sequence.length - 1
        }
        using idsTensor = tensor(ids, { shape: [rows, length], adopt: true })
        using lastTensor = tensor(last, { adopt: true })
        using scores = await program.run([model.weights, model.head, idsTensor, lastTensor], { signal })
        out.push(...Array.from((await scores.data()) as Float32Array).slice(0, batch.length))
      }
      return out
    },
    [Symbol.dispose]: dispose,
  }
}

function sequenceOf({ index, prompt, completion }: RewardSample, context: number): readonly number[] {
  const ids = [...prompt, ...completion]
  if (ids.length > context)
    throw new RlhfError('LENGTH', `sample ${index} has ${ids.length} tokens; the reward model's context is ${context}. Sample fewer tokens`)
  return ids
}
