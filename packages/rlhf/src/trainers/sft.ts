import {
  checkWeights,
  evaluate,
  forwardHidden,
  project,
  summedLoss,
  type DecoderConfig,
  type DecoderWeights,
  type Evaluation,
  type EvaluatorOptions,
} from '@tesserae/transformer'
import { collate, collatedTensors } from '../data/collate.js'
import type { Rendered } from '../data/template.js'
import { RlhfError } from '../errors.js'
import { sftLoss } from '../losses/sft.js'
import { freshState, startRun, type RunOptions, type RunState, type TrainerRun } from './run.js'
import { largestVocabulary } from './sequences.js'

/** See {@link RunState}; what is trained is the decoder's weights. */
export type SftState = RunState<DecoderWeights>

/** Metrics of a step: `accuracy` is the share of targets that were the likeliest token; 0 for vocabularies above 8,192, where logits are never held. */
export type SftRun = TrainerRun<DecoderWeights, 'accuracy', SftState>

export interface SftTrainOptions extends RunOptions {
  /** What to fine-tune. Its weights are taken over: each step writes its own in their place. May be left out with `state`. */
  readonly policy?: { readonly config: DecoderConfig; readonly weights: DecoderWeights }
  /** A state to go on from; taken over likewise. */
  readonly state?: SftState
  /** Examples from `prepareSft`. */
  readonly data: readonly Rendered[]
}

/**
 * Supervised fine-tuning: learns the masked tokens of examples, each weighing the same over a whole step. Default rate 2e-5; dropout as the configuration
 * says. Nothing runs until the result is iterated.
 *
 * Errors: OPTION, ROW, WEIGHTS, CONFIG at once; while iterating LENGTH for examples beyond the context, DIVERGED when the loss is no longer a number, and
 * AbortError. After an abort the run can be iterated again or saved.
 */
export function sft(options: SftTrainOptions): SftRun {
  const { policy, state, data } = options
  if ((policy === undefined) === (state === undefined))
    throw new RlhfError('OPTION', 'sft: give either policy, to start with, or state, to go on from')
  const start = state ?? freshState(policy!.config, policy!.weights, options)
  checkWeights(start.weights, start.config)
  const silent = data.findIndex(({ mask }) => !mask.includes(1, 1))
  if (silent >= 0)
    throw new RlhfError(
      'ROW',
      `sft: example ${silent + 1} has nothing to learn: its mask is 0 everywhere; expected an answer of the assistant`,
    )
  return startRun<DecoderWeights, 'accuracy', SftState>({
    name: 'sft',
    options,
    defaultRate: 2e-5,
    start,
    examples: data.length,
    dropout: true,
    batch(indices) {
      const examples = indices.map((index) => data[index]!)
      const batch = collate(examples, { longest: start.config.context })
      return {
        tensors: () => ({ ...collatedTensors(batch) }),
        count: batch.learnt,
        tokens: examples.reduce((sum, { ids }) => sum + ids.length, 0),
      }
    },
    loss(weights, batch, { model, count, train }) {
      const { ids, targets } = batch as { readonly [name in 'ids' | 'targets']: (typeof batch)[string] }
      if (model.config.vocabSize <= largestVocabulary)
        return sftLoss(project(weights, forwardHidden(weights, ids, { ...model, ...train }), model.config), targets, { count })
      const total = summedLoss(weights, { ids, targets }, { ...model, ...train, masked: true })
      return { loss: total.div(count), metrics: { accuracy: count.mul(0) } }
    },
  })
}

/** Mean −log p over the masked tokens of examples, in nats, and its perplexity: to be measured on conversations that were not trained on. */
export function evaluateSft(
  weights: DecoderWeights,
  data: readonly Rendered[],
  options: EvaluatorOptions & { readonly rows?: number; readonly signal?: AbortSignal },
): Promise<Evaluation> {
  const { rows = 8, config } = options
  // Batches of like lengths: less padding, and few shapes to compile for.
  const sorted = [...data].sort((a, b) => a.ids.length - b.ids.length)
  return evaluate(
    weights,
    {
      count: Math.ceil(sorted.length / rows),
      at: (index) => collate(sorted.slice(index * rows, (index + 1) * rows), { longest: config.context }),
    },
    options,
  )
}
