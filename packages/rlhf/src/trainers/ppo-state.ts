/** Where a run of PPO starts, and what it copies first. */
import { checkConfig, freshOptimizerState, zeroMoments, type DecoderWeights } from '@tesserae/transformer'
import { RlhfError } from '../errors.js'
import { zeroHead } from '../rewards/scalar-head.js'
import type { PpoOptions, PpoState, PpoTrained } from './ppo-options.js'
import { copyWeights } from './tensors.js'

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
      ...freshOptimizerState(trained),
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
    m: extend(next.m, zeroMoments(copied)),
    v: extend(next.v, zeroMoments(copied)),
  }
}
