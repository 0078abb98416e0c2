/** Numbers as they stand in JSON, by what a schema says of them. Bounds and multiples are looked at digit by digit, exactly. */
import { ByteSet } from '../bytes.js'
import type { Machine } from '../machine.js'
import { EMPTY, NOTHING, type Node, type Nodes } from '../nodes.js'
import type { NumberShape } from './shapes.js'

/** Decimals of so many digits are all different as 64-bit numbers, and in the same order. */
const SURE_DIGITS = 15
/** 64-bit numbers reach to 1.8e308. */
const MOST_DIGITS = 300
/** Remainders that are told apart; multiples of more are refused. */
const MOST_REMAINDERS = 10_000

/** A number as digits: `digits · 10^−places`. */
interface Decimal {
  readonly isNegative: boolean
  readonly whole: string
  readonly fraction: string
}

function decimalOf(value: number): Decimal {
  const [mantissa, exponent = '0'] = Math.abs(value).toString().split('e')
  const [whole, fraction = ''] = mantissa!.split('.')
  const shift = Number(exponent)
  const digits = whole! + fraction
  const point = whole!.length + shift
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0')
  const at = Math.max(point, 1)
  return {
    isNegative: value < 0,
    whole: padded.slice(0, at).replace(/^0+(?=\d)/, ''),
    fraction: padded.slice(at).replace(/0+$/, ''),
  }
}

export class Numbers {
  private readonly known = new Map<NumberShape, Node>()
  private readonly digit: Node
  private readonly first: Node

  constructor(
    private readonly nodes: Nodes,
    private readonly machine: () => Machine,
  ) {
    this.digit = this.digits(0, 9)
    this.first = this.digits(1, 9)
  }

  /** Why multiples of a number cannot be told; undefined where they can. */
  problemOf(multiple: number): string | undefined {
    const { step } = scaled(multiple)
    return step > MOST_REMAINDERS ? `multiples of ${multiple} take more than ${MOST_REMAINDERS} remainders to tell` : undefined
  }

  node(shape: NumberShape): Node {
    let made = this.known.get(shape)
    if (made === undefined) this.known.set(shape, (made = this.make(shape)))
    return made
  }

  isOfShape(value: number, shape: NumberShape): boolean {
    return isOfShape(value, shape)
  }

  isEmpty(shape: NumberShape): boolean {
    return !this.machine().isProductive(this.node(shape))
  }

  private make(given: NumberShape): Node {
    const { nodes } = this
    const shape = given.isWhole === true ? wholeBounds(given) : given
    const { min, max, aboveMin, belowMax, isWhole, multiples, notMultiples, values, notValues } = shape
    if (values !== undefined)
      return nodes.choice(...values.filter((value) => isOfShape(value, shape)).map((value) => nodes.literal(JSON.stringify(value))))
    const isBounded = min > -Infinity || max < Infinity
    if (!isBounded && multiples.length + notMultiples.length + notValues.length === 0 && isWhole !== false)
      return isWhole === true ? this.whole(MOST_DIGITS) : this.any()
    const bounds = [min, max].filter(Number.isFinite).map(decimalOf)
    const isStrict = aboveMin || belowMax || multiples.length + notMultiples.length + notValues.length > 0 || isWhole === false
    const longest = Math.max(...bounds.map(({ whole, fraction }) => whole.length + fraction.length), 1)
    // Rounding to 64 bits keeps the order of numbers, but may make them the same.
    const most = isStrict ? SURE_DIGITS : isWhole === true ? MOST_DIGITS : Math.max(SURE_DIGITS, longest + 2)
    const all = [this.form(isWhole, most)]
    const not: Node[] = []
    if (isBounded) all.push(this.between(min, max, aboveMin, belowMax))
    for (const one of multiples) all.push(this.multiplesOf(one))
    for (const one of notMultiples) not.push(this.multiplesOf(one))
    for (const value of notValues) not.push(nodes.sequence(nodes.literal(JSON.stringify(value)), nodes.optional(nodes.literal('.0'))))
    return nodes.both(all, not)
  }

  private digits(low: number, high: number): Node {
    return low > high ? NOTHING : this.nodes.bytes(ByteSet.range(0x30 + low, 0x30 + high))
  }

  private whole(most: number): Node {
    const { nodes } = this
    const sign = nodes.optional(nodes.literal('-'))
    return nodes.choice(nodes.literal('0'), nodes.sequence(sign, this.first, nodes.repeat(this.digit, 0, most - 1)))
  }

  /** Any number, in any way that JSON has, but for those that are too large. */
  private any(): Node {
    const { nodes, digit, first } = this
    const sign = nodes.optional(nodes.literal('-'))
    const zero = nodes.literal('0')
    const fraction = nodes.optional(nodes.sequence(nodes.literal('.'), nodes.repeat(digit, 1, 32)))
    const mark = nodes.bytes(ByteSet.of(0x45, 0x65))
    const plus = nodes.optional(nodes.literal('+'))
    const minus = nodes.literal('-')
    // Digits and exponents that reach up to the largest numbers, but not beyond.
    const small = nodes.sequence(mark, nodes.choice(plus, minus), nodes.repeat(digit, 1, 2))
    const tiny = nodes.sequence(mark, minus, this.digits(1, 3), digit, digit)
    const huge = nodes.sequence(
      mark,
      plus,
      nodes.choice(nodes.sequence(this.digits(1, 2), digit, digit), nodes.sequence(nodes.literal('30'), this.digits(0, 7))),
    )
    const long = nodes.sequence(first, nodes.repeat(digit, 0, 199))
    return nodes.sequence(
      sign,
      nodes.choice(
        nodes.sequence(nodes.choice(zero, long), fraction, nodes.optional(nodes.choice(small, tiny))),
        nodes.sequence(nodes.choice(zero, first), fraction, huge),
        nodes.sequence(first, nodes.repeat(digit, 0, MOST_DIGITS - 1)),
      ),
    )
  }

  /** Decimals written in one way each: no exponent, no zeros at the end of a fraction, no −0. Whole ones of those that need not be whole may have `.0` behind them, as many programs write them. */
  private form(isWhole: boolean | undefined, most: number): Node {
    const { nodes, digit, first } = this
    if (isWhole === true) return this.whole(most)
    const point = nodes.literal('.')
    const sign = nodes.optional(nodes.literal('-'))
    const zero = nodes.literal('0')
    const ways: Node[] = []
    // So many digits in all: for each length of the whole part what is left for the fraction.
    for (let whole = 1; whole < most; whole++) {
      const fraction = nodes.sequence(point, nodes.repeat(digit, 0, most - whole - 1), first)
      const head = nodes.sequence(first, nodes.repeat(digit, whole - 1, whole - 1))
      ways.push(nodes.sequence(sign, whole === 1 ? nodes.choice(head, zero) : head, fraction))
    }
    const fractions = nodes.choice(...ways)
    return isWhole === false ? fractions : nodes.choice(nodes.sequence(this.whole(most), nodes.optional(nodes.literal('.0'))), fractions)
  }

  private between(min: number, max: number, aboveMin: boolean, belowMax: boolean): Node {
    const all: Node[] = []
    if (min > -Infinity) all.push(this.compared(decimalOf(min), 'above', aboveMin))
    if (max < Infinity) all.push(this.compared(decimalOf(max), 'below', belowMax))
    return this.nodes.both(all)
  }

  /** Numbers on one side of a bound. */
  private compared(bound: Decimal, side: 'above' | 'below', isStrict: boolean): Node {
    const { nodes } = this
    const minus = nodes.literal('-')
    const anyMagnitude = this.magnitude(undefined, 'above', false)
    const isZero = bound.whole === '0' && bound.fraction === ''
    if (isZero) {
      const positive = nodes.both([anyMagnitude], [this.zero()])
      const own = side === 'above' ? positive : nodes.sequence(minus, positive)
      return isStrict ? own : nodes.choice(own, this.zero())
    }
    const own = this.magnitude(bound, (side === 'above') === bound.isNegative ? 'below' : 'above', isStrict)
    if (bound.isNegative) {
      const negative = nodes.sequence(minus, own)
      return side === 'above' ? nodes.choice(anyMagnitude, negative) : negative
    }
    return side === 'above' ? own : nodes.choice(own, nodes.sequence(minus, anyMagnitude))
  }

  private zero(): Node {
    return this.nodes.literals(['0', '0.0'])
  }

  /** Digits of numbers that are not negative, on one side of a bound. */
  private magnitude(bound: Decimal | undefined, side: 'above' | 'below', isStrict: boolean): Node {
    const { nodes, digit, first } = this
    const fraction = nodes.optional(nodes.sequence(nodes.literal('.'), nodes.repeat(digit, 1)))
    const wholes = (from: number, to: number): Node =>
      nodes.choice(
        from <= 1 && to >= 1 ? nodes.literal('0') : NOTHING,
        from > to ? NOTHING : nodes.sequence(first, nodes.repeat(digit, Math.max(from, 1) - 1, to - 1)),
      )
    if (bound === undefined) return nodes.sequence(wholes(1, Infinity), fraction)
    const { whole } = bound
    const others = side === 'above' ? wholes(whole.length + 1, Infinity) : wholes(1, whole.length - 1)
    const same = this.wholeCompared(whole, 0, side, fraction, this.fractionCompared(bound.fraction, side, isStrict))
    return nodes.choice(nodes.sequence(others, fraction), same)
  }

  /** Whole parts of the same length: on the right side by one of their digits, or the same, and then it is the fraction that says. */
  private wholeCompared(whole: string, at: number, side: 'above' | 'below', then: Node, same: Node): Node {
    if (at === whole.length) return same
    const { nodes } = this
    const own = Number(whole[at])
    const lowest = at === 0 && whole.length > 1 ? 1 : 0
    const apart = side === 'above' ? this.digits(own + 1, 9) : this.digits(lowest, own - 1)
    const left = whole.length - at - 1
    return nodes.choice(
      nodes.sequence(apart, nodes.repeat(this.digit, left, left), then),
      nodes.sequence(this.digits(own, own), this.wholeCompared(whole, at + 1, side, then, same)),
    )
  }

  private fractionCompared(fraction: string, side: 'above' | 'below', isStrict: boolean): Node {
    const { nodes } = this
    return nodes.choice(
      // Nothing behind the point is a fraction of 0.
      (fraction === '' && !isStrict) || (fraction !== '' && side === 'below') ? EMPTY : NOTHING,
      nodes.sequence(nodes.literal('.'), this.digitsCompared(fraction, 0, side, isStrict)),
    )
  }

  /** At least one digit where none came yet. */
  private digitsCompared(fraction: string, at: number, side: 'above' | 'below', isStrict: boolean): Node {
    const { nodes, digit } = this
    const any = nodes.repeat(digit, 0)
    if (at >= fraction.length) {
      // The same so far, and only zeros are left of the bound.
      const zeros = nodes.repeat(this.digits(0, 0), at === 0 ? 1 : 0)
      const more = nodes.sequence(nodes.repeat(this.digits(0, 0), 0), this.digits(1, 9), any)
      return nodes.choice(isStrict ? NOTHING : zeros, side === 'above' ? more : NOTHING)
    }
    const own = Number(fraction[at])
    const apart = side === 'above' ? this.digits(own + 1, 9) : this.digits(0, own - 1)
    return nodes.choice(
      nodes.sequence(apart, any),
      nodes.sequence(this.digits(own, own), this.digitsCompared(fraction, at + 1, side, isStrict)),
      // It ends before the bound does, and so is less.
      side === 'below' && at > 0 ? EMPTY : NOTHING,
    )
  }

  /** Decimals that are whole multiples of a number: a remainder for each digit. */
  private multiplesOf(multiple: number): Node {
    const { nodes } = this
    const { step, places } = scaled(multiple)
    /** @param left digits of the fraction that may still come; undefined in the whole part */
    const after = (remainder: number, left: number | undefined): Node =>
      nodes.lazy(`multiple ${multiple} ${remainder} ${left}`, () => {
        const ways: Node[] = []
        const rest = Number((BigInt(remainder) * 10n ** BigInt(left ?? places)) % BigInt(step))
        if (rest === 0) ways.push(EMPTY)
        if (rest === 0 && left === undefined && places === 0) ways.push(nodes.literal('.0'))
        if (left !== 0) for (let one = 0; one < 10; one++) ways.push(digit(one, remainder, left))
        if (left === undefined && places > 0) {
          const firsts = Array.from({ length: 10 }, (_, one) => digit(one, remainder, places))
          ways.push(nodes.sequence(nodes.literal('.'), nodes.choice(...firsts)))
        }
        return nodes.choice(...ways)
      })
    const digit = (one: number, remainder: number, left: number | undefined): Node =>
      nodes.sequence(this.digits(one, one), after((remainder * 10 + one) % step, left === undefined ? undefined : left - 1))
    return nodes.sequence(
      nodes.optional(nodes.literal('-')),
      nodes.choice(...Array.from({ length: 10 }, (_, one) => digit(one, 0, undefined))),
    )
  }
}

/** For whole numbers, bounds that may be reached. */
function wholeBounds(shape: NumberShape): NumberShape {
  const [min, max] = [Math.ceil(shape.min), Math.floor(shape.max)]
  const [above, below] = [shape.aboveMin && min === shape.min, shape.belowMax && max === shape.max]
  // Beyond, the next whole number is not the next 64-bit one.
  if ((above && Math.abs(min) >= Number.MAX_SAFE_INTEGER) || (below && Math.abs(max) >= Number.MAX_SAFE_INTEGER)) return shape
  return { ...shape, min: above ? min + 1 : min, max: below ? max - 1 : max, aboveMin: false, belowMax: false }
}

/** A number as `step · 10^−places`, in whole numbers. */
function scaled(value: number): { readonly step: number; readonly places: number } {
  const { whole, fraction } = decimalOf(value)
  return { step: Number(whole + fraction), places: fraction.length }
}

function isOfShape(value: number, { min, max, aboveMin, belowMax, isWhole, multiples, notMultiples, notValues }: NumberShape): boolean {
  return (
    (aboveMin ? value > min : value >= min) &&
    (belowMax ? value < max : value <= max) &&
    (isWhole === undefined || Number.isInteger(value) === isWhole) &&
    multiples.every((one) => isMultiple(value, one)) &&
    !notMultiples.some((one) => isMultiple(value, one)) &&
    !notValues.includes(value)
  )
}

/** Exactly, by the digits of both. */
function isMultiple(value: number, multiple: number): boolean {
  const [a, b] = [decimalOf(value), decimalOf(multiple)]
  const places = Math.max(a.fraction.length, b.fraction.length)
  const scale = ({ whole, fraction }: Decimal): bigint => BigInt(whole + fraction.padEnd(places, '0'))
  return scale(a) % scale(b) === 0n
}
