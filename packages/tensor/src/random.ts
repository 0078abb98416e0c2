/**
 * Random numbers from keys. A key is a u32 [2] tensor; drawing from it changes nothing, so one key always gives the same
 * numbers, on every device, in any order, and again after a resume. Where several independent draws are needed, fold a
 * name or a number into the key for each.
 *
 * Counters, see `randomBits`: ordinary draws use domain 0, where the stream tells several draws of one function apart;
 * folding uses domain 1 with the folded datum as the stream, so a folded key never repeats bits of a draw.
 */
import { TensorError } from './errors.js'
import { dtypeOf, shapeOf, typeOf, type Value } from './graph/node.js'
import { bitcast, cast, constant, cos, expand, like, log, lt, mul, randomBits, shr, slice, sqrt, sub, where } from './graph/primitives.js'
import { dimMax, isSym, printShape, type Shape } from './shape.js'

const DRAW = 0
const FOLD = 1
const WORD = 2 ** 32

/**
 * The two words of the key for a seed: its low and high 32 bits.
 *
 * @param seed a non-negative integer, below 2^53 as a number or 2^64 as a bigint. Errors: VALUE otherwise.
 */
export function seedWords(seed: number | bigint): Uint32Array {
  const inRange = typeof seed === 'bigint' ? seed >= 0n && seed < 1n << 64n : Number.isSafeInteger(seed) && seed >= 0
  if (!inRange) throw new TensorError('VALUE', `key: the seed ${seed} must be an integer from 0 to 2^53-1, or a bigint from 0 to 2^64-1`)
  const bits = BigInt(seed)
  return Uint32Array.of(Number(bits & 0xffffffffn), Number(bits >> 32n))
}

/**
 * 32-bit hash of a name, for {@link foldKey}: FNV-1a (Fowler, Noll, Vo) over its UTF-8 bytes, then the finaliser of
 * MurmurHash3 (Appleby), which spreads FNV's weak high bits.
 */
export function hashName(name: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The datum to fold as a u32 scalar. */
function streamOf(data: Value | number | string): Value {
  if (typeof data === 'string') return constant(hashName(data), 'u32')
  if (typeof data === 'number') {
    if (!Number.isSafeInteger(data) || data < 0 || data >= WORD)
      throw new TensorError(
        'VALUE',
        `fold: ${data} must be an integer from 0 to 2^32-1; fold a string, or several numbers one after another`,
      )
    return constant(data, 'u32')
  }
  const { shape, dtype } = typeOf(data)
  if (shape.length !== 0) throw new TensorError('SHAPE', `fold: the tensor must be a scalar, got ${dtype} ${printShape(shape)}`)
  if (dtype === 'bool') throw new TensorError('DTYPE', 'fold: the tensor must be a number, got bool; cast it to u32')
  return dtype === 'i32' ? bitcast(data, 'u32') : cast(data, 'u32')
}

/**
 * A new key from a key and a datum; different data give independent keys. Strings are hashed ({@link hashName}). A
 * number gives the same key as a scalar tensor that holds it, so a step may be either.
 *
 * @param data a string, an integer from 0 to 2^32−1, or a numeric scalar (negative i32 by their bits; floats truncate)
 */
export function foldKey(key: Value, data: Value | number | string): Value {
  return randomBits(key, streamOf(data), { shape: [2], domain: FOLD })
}

/** Bits at a shape that may hold symbols: drawn at the maximum, so that an element's bits never depend on a length. */
function bitsOf(key: Value, shape: Shape, stream: number): Value {
  const bits = randomBits(key, constant(stream, 'u32'), { shape: shape.map(dimMax), domain: DRAW })
  return shape.some(isSym)
    ? slice(
        bits,
        shape.map(() => 0),
        shape,
      )
    : bits
}

/** u32 numbers with all bits random. */
export const words = (key: Value, shape: Shape): Value => bitsOf(key, shape, 0)

/**
 * Uniform f32 numbers in [0, 1), multiples of 2^-24.
 *
 * @param stream tells apart several draws from one key; different streams are independent
 */
export function uniform(key: Value, shape: Shape, stream = 0): Value {
  const bits = shr(bitsOf(key, shape, stream), constant(8, 'u32'))
  return mul(cast(bits, 'f32'), constant(2 ** -24, 'f32'))
}

/**
 * Standard normal f32 numbers by the transform of Box and Muller ("A Note on the Generation of Random Normal Deviates",
 * 1958), cosine half. Each element uses its own bits of streams 0 and 1; none exceeds 5.77 in magnitude, since the
 * smallest uniform number is 2^-24.
 */
export function normal(key: Value, shape: Shape): Value {
  const one = constant(1, 'f32')
  const radius = sqrt(mul(constant(-2, 'f32'), log(sub(one, uniform(key, shape, 0)))))
  const angle = mul(constant(2 * Math.PI, 'f32'), uniform(key, shape, 1))
  return mul(radius, cos(angle))
}

function checkProbability(op: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new TensorError('VALUE', `${op}: the probability must be from 0 to 1, got ${p}`)
}

/**
 * True with probability p, bool of the given shape.
 *
 * @param p a number, or an f32 tensor that broadcasts to the shape
 */
export function bernoulli(key: Value, p: number | Value, shape: Shape): Value {
  if (typeof p === 'number') {
    checkProbability('bernoulli', p)
    return lt(uniform(key, shape), constant(p, 'f32'))
  }
  if (dtypeOf(p) !== 'f32')
    throw new TensorError('DTYPE', `bernoulli: probabilities must be f32, got ${dtypeOf(p)} ${printShape(shapeOf(p))}`)
  return lt(uniform(key, shape), expand(p, shape))
}

/**
 * x with each element zeroed with probability p and the others divided by 1 − p, so that the mean stays (Srivastava et
 * al., 2014, in its inverted form). The same key gives the same mask; fold a fixed name into the step's key for each
 * place that drops.
 *
 * @param p from 0 (nothing happens) to 1 (all zeros). Errors: VALUE otherwise.
 */
export function dropout(x: Value, p: number, key: Value): Value {
  checkProbability('dropout', p)
  if (p === 0) return x
  if (p === 1) return expand(like(x, 0), shapeOf(x))
  const keep = bernoulli(key, 1 - p, shapeOf(x))
  return where(keep, mul(x, like(x, 1 / (1 - p))), like(x, 0))
}
