/**
 * Randomness without state: a key is a u32[2] tensor, and everything drawn from it is a function of it. Make one per
 * step, fold in a name per use, and masks change without recompiling, repeat where a region is computed again, and
 * agree on every device.
 */
import { TensorError } from './errors.js'
import { isFloat } from './dtype.js'
import { tensor } from './create.js'
import { named } from './naming.js'
import * as graph from './random.js'
import type { Shape } from './shape.js'
import { Tensor, wrap } from './tensor.js'

/** A key from a seed: an integer of up to 64 bits. The caller owns the tensor. */
export const key = (seed: number | bigint): Tensor => tensor(graph.seedWords(seed), { shape: [2] })

function check(op: string, value: Tensor): Tensor {
  if (value.dtype !== 'u32' || value.rank !== 1 || value.shape[0] !== 2)
    throw new TensorError('SHAPE', `${op}: expected a random key (u32[2], made by key() or foldKey()), got ${value.describe()}`)
  return value
}

/** A new key from a key and a name, an integer, or a u32/i32 scalar tensor (a step counter inside jit). */
export const foldKey = (from: Tensor, data: Tensor | number | string): Tensor =>
  named('foldKey', () => wrap(graph.foldKey(check('foldKey', from).value, data instanceof Tensor ? data.value : data)))

/** u32 values, all 32 bits random: what the other distributions are made of. */
export const randomBits = (from: Tensor, shape: Shape): Tensor => wrap(graph.words(check('randomBits', from).value, shape))

/** f32 values, uniform in [low, high), default [0, 1), where multiples of 2^-24 never reach 1; other bounds round, and may. */
export function randomUniform(from: Tensor, shape: Shape, options: { readonly low?: number; readonly high?: number } = {}): Tensor {
  const { low = 0, high = 1 } = options
  const unit = wrap(graph.uniform(check('randomUniform', from).value, shape))
  return low === 0 && high === 1 ? unit : unit.mul(high - low).add(low)
}

/** f32 values, normally distributed. */
export function randomNormal(from: Tensor, shape: Shape, options: { readonly mean?: number; readonly std?: number } = {}): Tensor {
  const { mean = 0, std = 1 } = options
  const standard = wrap(graph.normal(check('randomNormal', from).value, shape))
  return mean === 0 && std === 1 ? standard : standard.mul(std).add(mean)
}

/** bool values, true with probability p. */
export const randomBernoulli = (from: Tensor, p: number, shape: Shape): Tensor =>
  named('randomBernoulli', () => wrap(graph.bernoulli(check('randomBernoulli', from).value, p, shape)))

/**
 * x with each element zeroed with probability p and the others divided by 1 − p; x itself unless training. The key is
 * an argument, folded by the caller with a name of the site, so the mask is a function of step and site.
 */
export function dropout(x: Tensor, p: number, options: { readonly key: Tensor | undefined; readonly train: boolean }): Tensor {
  if (!(p >= 0 && p < 1)) throw new TensorError('VALUE', `dropout: p is a probability, 0 ≤ p < 1, got ${p}`)
  if (!isFloat(x.dtype)) throw new TensorError('DTYPE', `dropout: expected a floating-point tensor, got ${x.describe()}`)
  // A handle of its own also where nothing is dropped: disposing it must not dispose x.
  if (!options.train || p === 0) return wrap(x.value)
  if (options.key === undefined)
    throw new TensorError('VALUE', 'dropout: training needs a key; pass { key: foldKey(stepKey, "name of this site") }')
  return wrap(graph.dropout(x.value, p, check('dropout', options.key).value))
}
