/**
 * Arithmetic of PTX on JavaScript's numbers. 32-bit integers are numbers as `|0` leaves them, halves their 16 bits, floats numbers that a float holds. Results that the
 * hardware rounds correctly are rounded so here; its approximations are correctly rounded here too, or moved by the error that NVIDIA states when asked for.
 */
import { fromBfloatBits, fromHalfBits, toBfloatBits, toHalfBits } from '../../../dtype.js'

const floats = new Float32Array(1)
const words = new Int32Array(floats.buffer)

export function floatOf(bits: number): number {
  words[0] = bits
  return floats[0]!
}
function bitsOf(value: number): number {
  floats[0] = value
  return words[0]!
}

/** The values of all halves. */
const halves = Float32Array.from({ length: 65536 }, (_, bits) => fromHalfBits(bits))

/**
 * a·b + c rounded once. The product is exact in double precision and the sum nearly; where that lies half way between two floats, what it lost decides.
 */
export function fma(a: number, b: number, c: number): number {
  const product = a * b
  const sum = product + c
  const near = Math.fround(sum)
  const rest = sum - near
  if (rest !== 0) {
    const far = sum + rest
    if (Math.fround(far) === far && far !== near) {
      // The sum's error, exactly.
      const part = sum - product
      const lost = product - (sum - part) + (c - part)
      if (lost !== 0) return lost > 0 === far > near ? far : near
    }
  }
  return near
}

/** The high half of a product of 64 bits. */
const mulHighUnsigned = (a: number, b: number): number => Number(BigInt.asIntN(32, (BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n))
const mulHighSigned = (a: number, b: number): number => Number(BigInt.asIntN(32, (BigInt(a | 0) * BigInt(b | 0)) >> 32n))

/** The other where one is NaN. */
const minFloat = (a: number, b: number): number => (a !== a ? b : b !== b ? a : Math.min(a, b))
const maxFloat = (a: number, b: number): number => (a !== a ? b : b !== b ? a : Math.max(a, b))

/** Undefined by PTX for a divisor of 0; all bits, as devices answer. */
const divSigned = (a: number, b: number): number => (b === 0 ? -1 : (a / b) | 0)
const divUnsigned = (a: number, b: number): number => (b === 0 ? -1 : (a / b) >>> 0)
const remSigned = (a: number, b: number): number => (b === 0 ? a : (a % b) | 0)
const remUnsigned = (a: number, b: number): number => (b === 0 ? a : a % b)

/** To the nearest whole number, to even at a tie. */
function roundEven(x: number): number {
  const below = Math.floor(x)
  const rest = x - below
  if (rest < 0.5) return rest === 0 ? x : below === 0 && x < 0 ? -0 : below
  if (rest > 0.5) return below === -1 ? -0 : below + 1
  const even = below % 2 === 0 ? below : below + 1
  return even === 0 && x < 0 ? -0 : even
}
const truncate = Math.trunc

/** Clamped; NaN is 0. */
const toSigned = (x: number): number => (x !== x ? 0 : x <= -2147483648 ? -2147483648 : x >= 2147483647 ? 2147483647 : x)
const toUnsigned = (x: number): number => (x !== x || x <= 0 ? 0 : x >= 4294967295 ? 4294967295 : x)
const clampTo =
  (low: number, high: number) =>
  (x: number): number =>
    x !== x ? 0 : Math.min(high, Math.max(low, x))
const toSigned16 = clampTo(-32768, 32767)
const toUnsigned16 = clampTo(0, 65535)
const toSigned8 = clampTo(-128, 127)
const toUnsigned8 = clampTo(0, 255)

/** Shifts of PTX: counts from 32 on leave nothing but the sign. */
const shiftLeft = (a: number, n: number): number => (n >>> 0 > 31 ? 0 : a << n)
const shiftRight = (a: number, n: number): number => (n >>> 0 > 31 ? 0 : a >>> n)
const shiftSigned = (a: number, n: number): number => a >> (n >>> 0 > 31 ? 31 : n)
function funnel(low: number, high: number, count: number, left: boolean, wraps: boolean): number {
  const n = wraps ? count & 31 : Math.min(count >>> 0, 32)
  if (n === 32) return left ? low : high
  if (n === 0) return left ? high : low
  return left ? (high << n) | (low >>> (32 - n)) : (low >>> n) | (high << (32 - n))
}

function bitField(value: number, place: number, count: number, signed: boolean): number {
  const from = place & 255
  const length = count & 255
  if (length === 0) return 0
  const top = Math.min(31, from + length - 1)
  const sign = signed ? (value >>> top) & 1 : 0
  const part = from > 31 ? 0 : value >>> from
  const mask = length >= 32 ? -1 : (1 << length) - 1
  const kept = Math.max(0, Math.min(length, 32 - from))
  const low = kept >= 32 ? part : part & mask & ((1 << kept) - 1)
  return sign === 1 && kept < 32 ? low | (-1 << kept) : low | 0
}
function insertBits(value: number, into: number, place: number, count: number): number {
  const from = place & 255
  const length = Math.min(count & 255, 32 - from)
  if (length <= 0) return into
  const mask = (length >= 32 ? -1 : (1 << length) - 1) << from
  return (into & ~mask) | ((value << from) & mask)
}
function reverseBits(value: number): number {
  let out = 0
  for (let i = 0; i < 32; i++) out |= ((value >>> i) & 1) << (31 - i)
  return out
}
function countBits(value: number): number {
  let count = 0
  for (let rest = value >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++
  return count
}
/** Bytes of two words chosen by four bits each, the fourth of which repeats the sign. */
function permute(a: number, b: number, selector: number): number {
  let out = 0
  for (let i = 0; i < 4; i++) {
    const choice = (selector >>> (4 * i)) & 15
    const word = (choice & 4) === 0 ? a : b
    let byte = (word >>> ((choice & 3) * 8)) & 255
    if ((choice & 8) !== 0) byte = (byte & 128) === 0 ? 0 : 255
    out |= byte << (8 * i)
  }
  return out
}
function dot4(a: number, b: number, c: number, aSigned: boolean, bSigned: boolean): number {
  let sum = c
  for (let i = 0; i < 4; i++) {
    const x = aSigned ? (a << (24 - 8 * i)) >> 24 : (a >>> (8 * i)) & 255
    const y = bSigned ? (b << (24 - 8 * i)) >> 24 : (b >>> (8 * i)) & 255
    sum = (sum + x * y) | 0
  }
  return sum
}
function logic3(a: number, b: number, c: number, table: number): number {
  let out = 0
  for (let i = 0; i < 8; i++) if (((table >>> i) & 1) === 1) out |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c)
  return out
}
const withSignOf = (sign: number, value: number): number => floatOf((bitsOf(sign) & 0x80000000) | (bitsOf(value) & 0x7fffffff))

export const fromHalf = (bits: number): number => halves[bits]!
const toHalf = toHalfBits
export const fromBfloat = fromBfloatBits
const toBfloat = toBfloatBits
/** A function of the two halves of words, as numbers, rounded to halves. */
const onHalves = (a: number, b: number, c: number, apply: (a: number, b: number, c: number) => number): number =>
  toHalf(apply(halves[a & 65535]!, halves[b & 65535]!, halves[c & 65535]!)) |
  (toHalf(apply(halves[a >>> 16]!, halves[b >>> 16]!, halves[c >>> 16]!)) << 16)

/** What the translated text names. */
export const library = {
  floatOf,
  bitsOf,
  fma,
  mulHighUnsigned,
  mulHighSigned,
  minFloat,
  maxFloat,
  divSigned,
  divUnsigned,
  remSigned,
  remUnsigned,
  roundEven,
  truncate,
  toSigned,
  toUnsigned,
  toSigned16,
  toUnsigned16,
  toSigned8,
  toUnsigned8,
  shiftLeft,
  shiftRight,
  shiftSigned,
  funnel,
  bitField,
  insertBits,
  reverseBits,
  countBits,
  permute,
  dot4,
  logic3,
  withSignOf,
  fromHalf,
  toHalf,
  fromBfloat,
  toBfloat,
  onHalves,
} as const

/** The approximations of the hardware. */
export interface Approximations {
  readonly ex2: (x: number) => number
  readonly lg2: (x: number) => number
  readonly rcp: (x: number) => number
  readonly rsqrt: (x: number) => number
  readonly sqrt: (x: number) => number
  readonly sin: (x: number) => number
  readonly cos: (x: number) => number
  readonly tanh: (x: number) => number
  readonly div: (a: number, b: number) => number
}

const exact: Approximations = {
  ex2: (x) => Math.fround(2 ** x),
  lg2: (x) => Math.fround(Math.log2(x)),
  rcp: (x) => Math.fround(1 / x),
  rsqrt: (x) => Math.fround(1 / Math.sqrt(x)),
  sqrt: (x) => Math.fround(Math.sqrt(x)),
  sin: (x) => Math.fround(Math.sin(x)),
  cos: (x) => Math.fround(Math.cos(x)),
  tanh: (x) => Math.fround(Math.tanh(x)),
  div: (a, b) => Math.fround(a / b),
}

/** From −1 to 1, by the bits of a float. */
const noise = (x: number): number => (Math.imul(bitsOf(x) ^ 0x5bd1e995, 0x9e3779b1) >> 16) / 32768

/**
 * `rounded`: each correctly. `perturbed`: each moved by up to the error stated for the hardware.
 *
 * Source of the errors: NVIDIA, "Parallel Thread Execution ISA": ex2 2^-22, rcp 1 ulp, rsqrt 2^-22.9, sqrt and division 2 ulp relative; lg2 2^-22 absolute from ½ to 2
 * and relative elsewhere; sin 2^-20.5 and cos 2^-20.9 absolute within ±π; tanh 2^-11.
 */
export function approximations(kind: 'rounded' | 'perturbed'): Approximations {
  if (kind === 'rounded') return exact
  const relative =
    (apply: (x: number) => number, error: number) =>
    (x: number): number =>
      Math.fround(apply(x) * (1 + error * noise(x)))
  const absolute =
    (apply: (x: number) => number, error: number) =>
    (x: number): number =>
      Math.fround(apply(x) + error * noise(x))
  const near = absolute(Math.log2, 2 ** -22)
  const far = relative(Math.log2, 2 ** -22)
  return {
    ex2: relative((x) => 2 ** x, 2 ** -22),
    lg2: (x) => (x > 0.5 && x < 2 ? near(x) : far(x)),
    rcp: relative((x) => 1 / x, 2 ** -23),
    rsqrt: relative((x) => 1 / Math.sqrt(x), 2 ** -22.9),
    sqrt: relative(Math.sqrt, 2 ** -22),
    sin: absolute(Math.sin, 2 ** -20.5),
    cos: absolute(Math.cos, 2 ** -20.9),
    tanh: relative(Math.tanh, 2 ** -11),
    div: (a, b) => Math.fround((a / b) * (1 + 2 ** -22 * noise(a + b))),
  }
}
