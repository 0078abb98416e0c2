import { byteSize, type DType } from '../../dtype.js'
import { f32, i32, u32, type KernelBuilder } from '../builder.js'
import { constant, Expr, scalarOf, vector, type Scalar, type Storage } from '../ir.js'

/** How the values of a dtype are computed: halves as f32, bytes as 32-bit integers. */
export function computedAs(dtype: DType): Scalar {
  switch (dtype) {
    case 'f32':
    case 'f16':
    case 'bf16':
      return 'f32'
    case 'i32':
    case 'i8':
      return 'i32'
    case 'u32':
    case 'u8':
      return 'u32'
    case 'bool':
      return 'bool'
    case 'f64':
      throw new RangeError('f64 is not computed in kernels')
    default:
      return dtype satisfies never
  }
}

/** Elements in one 32-bit word, which is what arrays of every dtype are made of in memory. */
export const perWord = (dtype: DType): number => 4 / byteSize(dtype)
/** Words that hold so many elements. */
export const wordsOf = (dtype: DType, count: number): number => Math.ceil(count / perWord(dtype))

/** A number as a constant of the type in which a dtype is computed. */
export function computedConstant(value: number, dtype: DType): Expr {
  const scalar = computedAs(dtype)
  return constant(scalar === 'bool' ? value !== 0 : value, scalar)
}

export const isNaNExpr = (x: Expr): Expr => x.bits('u32').and(0x7fffffff).gt(0x7f800000)

/** A word of the bits of its parts, the first lowest. */
export function joinParts(count: number, bits: (part: number) => Expr): Expr {
  let word = bits(0)
  for (let part = 1; part < count; part++) word = word.or(bits(part).shl((32 / count) * part))
  return word
}

/** Stores words side by side, of which the first holds the element `first`; their number is a multiple of the array's lanes, and the first lies at a multiple of it. */
export function storeRun(b: KernelBuilder, array: Storage, first: Expr, words: readonly Expr[], elementsPerWord: number): void {
  const { lanes } = array.element
  const together = elementsPerWord * lanes
  const start = together === 1 ? first : b.let('place', first.shr(Math.log2(together)))
  for (let at = 0; at < words.length; at += lanes) {
    const value = lanes === 1 ? words[at]! : vector(...words.slice(at, at + lanes))
    b.store(array, at === 0 ? start : b.let('to', start.add(at / lanes)), value)
  }
}

/** The element `index` of an array of words. */
export function loadElement(b: KernelBuilder, words: Storage, dtype: DType, index: Expr): Expr {
  const count = perWord(dtype)
  if (count === 1) return b.let('value', decodeBits(b.load(words, index), dtype))
  const shift = count === 2 ? 1 : 2
  const word = b.load(words, index.shr(shift))
  const place = index.and(count - 1).mul(32 / count)
  const bits = b.let('bits', word.shr(place).and(count === 2 ? 0xffff : 0xff))
  return b.let('value', decodeBits(bits, dtype))
}

/** A value from the bits of its storage, the low ones of a u32. */
export function decodeBits(bits: Expr, dtype: DType): Expr {
  switch (dtype) {
    case 'f32':
      return bits.bits('f32')
    case 'u32':
    case 'u8':
      return bits
    case 'i32':
      return bits.bits('i32')
    case 'i8':
      return bits.shl(24).bits('i32').shr(i32(24))
    case 'bool':
      return bits.ne(0)
    case 'bf16':
      return bits.shl(16).bits('f32')
    case 'f16': {
      const magnitude = bits.and(0x7fff)
      const sign = bits.and(0x8000).shl(16)
      // The exponent's bias is 112 higher; infinities and NaN keep the highest exponent. What is subnormal as a half is not as a float.
      const normal = magnitude.shl(13).add(112 << 23)
      const special = magnitude.shl(13).or(0x7f800000)
      const tiny = magnitude
        .to('f32')
        .mul(2 ** -24)
        .bits('u32')
      const size = magnitude.lt(0x400).select(tiny, magnitude.ge(0x7c00).select(special, normal))
      return new Expr({ kind: 'half', op: 'decode', x: bits, plain: size.or(sign).bits('f32') }, scalarOf('f32'))
    }
    default:
      throw new RangeError(`${dtype} is not computed in kernels`)
  }
}

/** The bits of a value in storage, in the low bits of a u32: floats are rounded to the nearest, to even at a tie, integers wrap around. */
export function encodeBits(value: Expr, dtype: DType): Expr {
  switch (dtype) {
    case 'f32':
    case 'i32':
      return value.bits('u32')
    case 'u32':
      return value
    case 'u8':
      return value.and(0xff)
    case 'i8':
      return value.bits('u32').and(0xff)
    case 'bool':
      return value.select(u32(1), u32(0))
    case 'bf16': {
      const bits = value.bits('u32')
      const rounded = bits.add(bits.shr(16).and(1)).add(0x7fff).shr(16)
      return isNaNExpr(value).select(bits.shr(16).or(0x40), rounded)
    }
    case 'f16': {
      const bits = value.bits('u32')
      const sign = bits.shr(16).and(0x8000)
      const magnitude = bits.and(0x7fffffff)
      const nan = magnitude.gt(0x7f800000)
      const normal = magnitude
        .sub(112 << 23)
        .add(0xfff)
        .add(magnitude.shr(13).and(1))
        .shr(13)
      // Below 2^-14: the number of units of 2^-24, which the addition to 0.5 rounds. 0.5 + 2^-24·n has n as its last bits.
      const tiny = magnitude.bits('f32').add(0.5).bits('u32').sub(0x3f000000)
      const size = magnitude.ge(0x477ff000).select(nan.select(u32(0x7e00), u32(0x7c00)), magnitude.lt(0x38800000).select(tiny, normal))
      return new Expr({ kind: 'half', op: 'encode', x: value, plain: size.or(sign) }, scalarOf('u32'))
    }
    default:
      throw new RangeError(`${dtype} is not computed in kernels`)
  }
}

/** A computed value as its dtype holds it: halves are rounded, bytes wrap around. */
export function rounded(b: KernelBuilder, value: Expr, dtype: DType): Expr {
  switch (dtype) {
    case 'f16':
    case 'bf16': {
      const bits = b.let('half', encodeBits(b.let('exact', value), dtype))
      return decodeBits(bits, dtype)
    }
    case 'i8':
      return value.shl(i32(24)).shr(i32(24))
    case 'u8':
      return value.and(0xff)
    default:
      return value
  }
}

/** The lowest value of a dtype, which no maximum is below. */
export function lowestOf(dtype: DType): Expr {
  switch (dtype) {
    case 'i32':
      return i32(-2147483648)
    case 'i8':
      return i32(-128)
    case 'u32':
    case 'u8':
      return u32(0)
    case 'bool':
      return constant(false, 'bool')
    default:
      return f32(-Infinity)
  }
}

/** The dtype of one word in which values of a dtype are held between kernels. */
export function wideBits(dtype: DType): DType {
  const computed = computedAs(dtype)
  return computed === 'bool' || computed === 'f16' ? 'u32' : computed
}
