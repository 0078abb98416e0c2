import { random } from '@tesserae/core'
import { forEachLeaf, fromBytes, mapTree, realize, tensor, type Tensor } from '@tesserae/tensor'
import { checkConfig, mapWeights, type DecoderWeights } from '@tesserae/transformer'
import { RlhfError } from '../errors.js'
import type { ScalarHead } from '../rewards/model.js'
import type { PpoOptions, PpoState, PpoTrained } from './ppo-options.js'

/** Every tensor of a record. */
export function leavesOf(record: unknown): Tensor[] {
  const leaves: Tensor[] = []
  forEachLeaf(record, (leaf) => void (leaf !== undefined && leaves.push(leaf as Tensor)))
  return leaves
}

export const disposeAll = (record: unknown): void => leavesOf(record).forEach((leaf) => leaf.dispose())

/** Makes a record's tensors ones that a program may write into: computed, and not frozen for generation. */
export async function prepare(record: unknown): Promise<void> {
  const leaves = leavesOf(record)
  await realize(leaves)
  for (const leaf of leaves) if (leaf.frozen) leaf.unfreeze()
}

export const zerosLike = <Record>(record: Record): Record =>
  mapTree(record, (leaf) => {
    const { size, shape } = leaf as Tensor
    return fromBytes(new Uint8Array(4 * (size as number)), { dtype: 'f32', shape, adopt: true })
  }) as Record

/** A copy of weights; the caller owns it. */
export async function copyWeights(weights: DecoderWeights): Promise<DecoderWeights> {
  const copies = new Map<string, Tensor>()
  const names: [string, Tensor][] = []
  mapWeights(weights, (weight: Tensor, name) => void names.push([name, weight]))
  for (const [name, weight] of names) copies.set(name, await weight.clone())
  return mapWeights(weights, (_: Tensor, name) => copies.get(name)!)
}

/**
 * A head to start a reward model from: normal with variance 1 / (width + 1), as Ziegler et al. (arXiv:1909.08593) start theirs, bias 0. The same seed
 * gives the same values; the caller owns them.
 */
export function initScalarHead(width: number, options: { readonly seed: number | string }): ScalarHead {
  const draw = random(options.seed).stream('scalar head')
  const deviation = 1 / Math.sqrt(width + 1)
  const weight = Float32Array.from({ length: width }, () => deviation * draw.normal())
  return { weight: tensor(weight, { shape: [1, width], adopt: true }), bias: tensor(new Float32Array(1), { shape: [1], adopt: true }) }
}

/** A head that gives 0 everywhere, so that advantages are the returns themselves until values have been learnt. The caller owns it. */
export const zeroHead = (width: number): ScalarHead => ({
  weight: tensor(new Float32Array(width), { shape: [1, width], adopt: true }),
  bias: tensor(new Float32Array(1), { shape: [1], adopt: true }),
})

/** The state that options call for: a resumed one, or the beginning. A value function with a trunk copied from the policy gets it later. */
export function startState(options: PpoOptions, klCoefficient: number): { readonly state: PpoState; readonly copyTrunk: boolean } {
  const { policy, lora, state, value = 'shared', seed = 0 } = options
  const fail = (message: string): never => {
    throw new RlhfError('OPTION', `ppo: ${message}`)
  }
  if (state !== undefined) {
    if (lora === undefined && policy !== undefined)
      fail('a state without an adapter brings the policy; leave policy out, or give the state of a run with an adapter together with lora')
    if (lora !== undefined && policy === undefined) fail('the state of an adapter needs the policy that it is added to; give policy')
    return { state, copyTrunk: false }
  }
  if (policy === undefined) return fail('give either policy, to start with, or state, to go on from')
  const config = checkConfig(policy.config)
  const own = typeof value === 'object' ? value : undefined
  const critic: PpoTrained['value'] = own === undefined ? { head: zeroHead(config.width) } : { weights: own.weights, head: own.head }
  const trained: PpoTrained = { policy: lora?.weights ?? policy.weights, value: critic }
  const valueConfig = own === undefined ? (value === 'own' ? config : undefined) : checkConfig(own.config)
  return {
    state: {
      config,
      ...(valueConfig === undefined ? {} : { valueConfig }),
      step: 0,
      updates: 0,
      seed,
      klCoefficient,
      weights: trained,
      m: zerosLike(trained),
      v: zerosLike(trained),
    },
    copyTrunk: value === 'own',
  }
}

/** Fills in what a run copies before its first step: a trunk for the value function, and a reference that stays as the policy is now. */
export async function withCopies(
  state: PpoState,
  options: { readonly trunk: DecoderWeights | undefined; readonly needsReference: boolean },
): Promise<PpoState> {
  const { trunk, needsReference } = options
  const reference =
    needsReference && state.reference === undefined ? await copyWeights(state.weights.policy as DecoderWeights) : state.reference
  const next = reference === undefined ? state : { ...state, reference }
  if (trunk === undefined) return next
  const copied = await copyWeights(trunk)
  const extend = (trained: PpoTrained, weights: DecoderWeights): PpoTrained => ({ ...trained, value: { ...trained.value, weights } })
  return {
    ...next,
    weights: extend(next.weights, copied),
    m: extend(next.m, zerosLike(copied)),
    v: extend(next.v, zerosLike(copied)),
  }
}
