import { throwIfAborted } from '@tesserae/core'
import { jit, realize, tensor, type Tensor } from '@tesserae/tensor'
import {
  checkWeights,
  disposeRotary,
  rotaryTables,
  type DataParallel,
  type DecoderConfig,
  type DecoderWeights,
  type ModelOptions,
  type RotaryTables,
} from '@tesserae/transformer'
import { collate, collatedTensors } from '../data/collate.js'
import type { RenderedPair } from '../data/prepare.js'
import { RlhfError } from '../errors.js'
import { dpoLoss, type DpoLossOptions } from '../losses/dpo.js'
import { pairBatch } from './pairs.js'
import { disposeAll, leavesOf } from './tensors.js'
import { freshState, startRun, type RunOptions, type RunState, type TrainerRun } from './run.js'
import { sequenceLogprobs } from './sequences.js'

/** See {@link RunState}; what is trained is the policy's weights. */
export interface DpoState extends RunState<DecoderWeights> {
  /** f32 [pairs, 2]: the reference's log-probabilities of chosen and rejected answers, from the run's first iteration on. */
  readonly reference?: Tensor
}

/** Metrics of a step, see {@link dpoLoss}. */
export type DpoRun = TrainerRun<DecoderWeights, 'accuracy' | 'margin' | 'rewardChosen' | 'rewardRejected', DpoState>

export interface DpoTrainOptions extends RunOptions, Pick<DpoLossOptions, 'beta' | 'variant' | 'labelSmoothing'> {
  /** What to train. Its weights are taken over: each step writes its own in their place. May be left out with `state`. */
  readonly policy?: { readonly config: DecoderConfig; readonly weights: DecoderWeights }
  /** A state to go on from; taken over likewise. Its data must be the same. */
  readonly state?: DpoState
  /** Pairs from `preparePreferences`. */
  readonly data: readonly RenderedPair[]
  /** What the policy is held to; stays the caller's, and is needed only until the first step. Default the policy as it starts. */
  readonly reference?: { readonly config: DecoderConfig; readonly weights: DecoderWeights }
  /** With `ipo`: log-ratios are means over tokens, as in TRL; false takes sums, as in the paper and OpenRLHF. Default true. */
  readonly lengthNormalized?: boolean
}

/**
 * Direct preference optimisation. The reference's log-probabilities are computed once, before the first step, and kept in the state, so that no second model is
 * held while training. Default rate 1e-6, β 0.1, no dropout. Nothing runs until the result is iterated.
 *
 * Errors: OPTION, ROW, WEIGHTS, CONFIG at once; while iterating LENGTH for examples beyond the context, DIVERGED, and AbortError.
 */
export function dpo(options: DpoTrainOptions): DpoRun {
  const { policy, state, data, beta = 0.1, variant = 'sigmoid', labelSmoothing = 0, lengthNormalized = true } = options
  if ((policy === undefined) === (state === undefined))
    throw new RlhfError('OPTION', 'dpo: give either policy, to start with, or state, to go on from')
  const start: DpoState = state ?? freshState(policy!.config, policy!.weights, options)
  checkWeights(start.weights, start.config)
  if (start.reference !== undefined && start.reference.shape[0] !== data.length)
    throw new RlhfError(
      'OPTION',
      `dpo: the state holds log-probabilities of ${String(start.reference.shape[0])} pairs, and ${data.length} were given; go on with the data that the run began with`,
    )
  let reference: Float32Array | undefined
  return startRun<DecoderWeights, 'accuracy' | 'margin' | 'rewardChosen' | 'rewardRejected', DpoState>({
    name: 'dpo',
    options,
    defaultRate: 1e-6,
    start,
    examples: data.length,
    dropout: false,
    facts: { beta, variant, labelSmoothing, lengthNormalized },
    async begin(current, model, ranks) {
      const { reference: present } = current
      const kept =
        present === undefined
          ? await referenceLogprobs(current, model, options, ranks)
          : ranks === undefined
            ? present
            : await ranks.fromFirst(present)
      reference = Float32Array.from(await kept.data())
      return { ...current, reference: kept }
    },
    batch(indices) {
      const pairs = indices.map((index) => data[index]!)
      const side = (which: 0 | 1): Float32Array => Float32Array.from(indices, (index) => reference![2 * index + which]!)
      return pairBatch(pairs, { longest: start.config.context, extra: { referenceChosen: side(0), referenceRejected: side(1) } })
    },
    loss(weights, batch, { model, count }) {
      const { ids, targets, referenceChosen, referenceRejected } = batch as Readonly<Record<string, Tensor>>
      const split = (rows: Tensor): [Tensor, Tensor] => rows.split((rows.shape[0] as number) / 2) as [Tensor, Tensor]
      const [policyChosen, policyRejected] = split(sequenceLogprobs(weights, { ids: ids!, targets: targets! }, model))
      const [chosen, rejected] = split(targets!.ge(0).cast('f32').sum(-1))
      return dpoLoss(
        { policyChosen, policyRejected, referenceChosen: referenceChosen!, referenceRejected: referenceRejected! },
        { beta, variant, labelSmoothing, count, ...(variant === 'ipo' && lengthNormalized ? { lengths: { chosen, rejected } } : {}) },
      )
    },
  })
}

/** What the reference says of every pair, [pairs, 2]. Ranks of a group share the work. */
async function referenceLogprobs(
  state: DpoState,
  model: ModelOptions,
  options: DpoTrainOptions,
  ranks: DataParallel | undefined,
): Promise<Tensor> {
  const { data, reference, rows = 8, signal, device } = options
  const weights = reference?.weights ?? state.weights
  const config = reference?.config ?? state.config
  checkWeights(weights, config)
  await realize(leavesOf(weights))
  // The policy's tables serve a reference of its own configuration only.
  const own: RotaryTables | undefined = reference !== undefined && config.positions === 'rotary' ? rotaryTables(config) : undefined
  const rotary = reference === undefined ? model.rotary : own
  const forward = { config, ...(rotary === undefined ? {} : { rotary }) }
  using program = jit((all: DecoderWeights, ids: Tensor, targets: Tensor) => sequenceLogprobs(all, { ids, targets }, forward), {
    name: 'dpoReference',
    ...(device === undefined ? {} : { device }),
  })
  try {
    const examples = data.flatMap(({ chosen, rejected }) => [chosen, rejected])
    const order = examples.map((_, i) => i).sort((a, b) => examples[a]!.ids.length - examples[b]!.ids.length)
    const out = new Float32Array(examples.length)
    for (let from = 0; from < order.length; from += 2 * rows) {
      if (ranks?.takes(from / (2 * rows)) === false) continue
      if (ranks === undefined) throwIfAborted(signal, 'Training')
      const some = order.slice(from, from + 2 * rows)
      // The last batch is filled up, so that it needs no program of its own.
      const filled = Array.from({ length: 2 * rows }, (_, i) => examples[some[Math.min(i, some.length - 1)]!]!)
      const tensors = collatedTensors(collate(filled, { longest: config.context }))
      try {
        using logprobs = await program(weights, tensors.ids, tensors.targets)
        const values = await logprobs.data()
        some.forEach((index, i) => (out[index] = values[i]!))
      } finally {
        disposeAll(tensors)
      }
    }
    // What other ranks worked out is 0 here.
    await ranks?.addUp(out)
    return tensor(out, { shape: [data.length, 2], adopt: true })
  } finally {
    if (own !== undefined) disposeRotary(own)
  }
}
