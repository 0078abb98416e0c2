/** Arithmetic, logic, comparisons and moves, each as a statement of JavaScript. Results of floats are rounded once, to nearest. */
import type { PtxInstruction, PtxOperand, PtxType } from './ptx-text.js'
import { Modifiers, type InstructionPrinter, type Translation } from './translation.js'

const wholeTypes = ['s32', 'u32', 's64', 'u64', 's16', 'u16'] as const
const numberTypes = [...wholeTypes, 'f32', 'f16', 'f16x2'] as const
type Binary = (a: string, b: string) => string

/** How one operation is done in each group of types. */
interface Kinds {
  readonly word?: Binary
  readonly unsigned?: Binary
  readonly wide?: Binary
  /** Of numbers, which the result's rounding is put around. */
  readonly float?: Binary
  /** The result is a float already. */
  readonly exact?: boolean
}

const binary =
  (kinds: Kinds): InstructionPrinter =>
  (c, i) => {
    const m = new Modifiers(i)
    const keepsNaN = kinds.exact === true && m.take('NaN') !== undefined
    if (keepsNaN) c.needs(i, 80, 70)
    else if (kinds.exact !== true) m.take('rn')
    const type = m.type(...numberTypes)
    m.done()
    if (keepsNaN && type !== 'f32') return c.fail(i, 'is known of f32')
    const [d, a, b] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    if (type === 'f16x2') {
      if (kinds.float === undefined) return c.fail(i, 'is not known for f16x2')
      return c.write(i, d, 'f16x2', `onHalves(${c.read(i, a, 'b32')},${c.read(i, b, 'b32')},0,(a,b)=>${kinds.float('a', 'b')})`)
    }
    const [x, y] = [c.read(i, a, type), c.read(i, b, type)]
    if (type === 'f32' || type === 'f16') {
      if (kinds.float === undefined) return c.fail(i, `is not known for ${type}`)
      // Of Math, where one NaN makes the result NaN.
      if (keepsNaN) return c.write(i, d, type, `Math.${i.opcode}(${x},${y})`)
      return c.write(i, d, type, kinds.exact === true ? kinds.float(x, y) : `Math.fround(${kinds.float(x, y)})`)
    }
    if (type === 's64' || type === 'u64') {
      if (kinds.wide === undefined) return c.fail(i, `is not known for ${type}`)
      // Which is larger depends on the sign, which a number without one has not.
      const ordered = type === 'u64' && kinds.exact === true
      return c.write(i, d, type, c.wide(i, ordered ? kinds.wide(c.unsigned(i, x), c.unsigned(i, y)) : kinds.wide(x, y)))
    }
    const apply = type.startsWith('u') ? (kinds.unsigned ?? kinds.word) : kinds.word
    return apply === undefined ? c.fail(i, `is not known for ${type}`) : c.write(i, d, type, apply(x, y))
  }

/** Of words, halves and predicates by their bits. */
const bits =
  (operator: '&' | '|' | '^'): InstructionPrinter =>
  (c, i) => {
    const m = new Modifiers(i)
    const type = m.type('b32', 'b16', 'b64', 'pred')
    m.done()
    const [d, a, b] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    const [x, y] = [c.read(i, a, type), c.read(i, b, type)]
    if (type === 'b64') return c.write(i, d, type, `M.wideBits('${operator}',${x},${y},${i.line},t)`)
    // Of truth values, which stay such.
    if (type === 'pred') return c.write(i, d, type, operator === '&' ? `${x}&&${y}` : operator === '|' ? `${x}||${y}` : `${x}!==${y}`)
    return c.write(i, d, type, `(${x}${operator}${y})`)
  }

const unary =
  (kinds: { readonly whole?: (x: string, wide: boolean) => string; readonly float?: (x: string) => string }): InstructionPrinter =>
  (c, i) => {
    const m = new Modifiers(i)
    const type = m.type('s32', 's64', 's16', 'f32', 'f16', 'f16x2')
    m.done()
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    if (type === 'f16x2') return c.write(i, d, type, `onHalves(${c.read(i, a, 'b32')},0,0,(a)=>${kinds.float!('a')})`)
    const x = c.read(i, a, type)
    if (type === 'f32' || type === 'f16') return c.write(i, d, type, kinds.float!(x))
    return c.write(i, d, type, kinds.whole!(x, type === 's64'))
  }

/** One operand and one result of 32 bits, by a function of `arithmetic.ts`. */
const word =
  (name: string, ...types: PtxType[]): InstructionPrinter =>
  (c, i) => {
    const m = new Modifiers(i)
    const type = m.type(...types)
    m.done()
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    return c.write(i, d, 'u32', `${name}(${c.read(i, a, type)})`)
  }

const shift =
  (left: boolean): InstructionPrinter =>
  (c, i) => {
    const m = new Modifiers(i)
    const type = left ? m.type('b32', 'b64', 'b16') : m.type('u32', 's32', 'b32', 'u64', 's64', 'b64', 'u16', 's16', 'b16')
    m.done()
    const [d, a, b] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    const [x, n] = [c.read(i, a, type), c.read(i, b, 'u32')]
    if (type.endsWith('64')) {
      if (left) return c.write(i, d, type, c.wide(i, `${x}*2**${n}`))
      return c.write(i, d, type, `Math.floor(${type === 's64' ? x : c.unsigned(i, x)}/2**${n})`)
    }
    return c.write(i, d, type, left ? `shiftLeft(${x},${n})` : type.startsWith('s') ? `shiftSigned(${x},${n})` : `shiftRight(${x},${n})`)
  }

/** By the hardware's approximations where the text asks for them, else rounded. */
const special =
  (name: string, rounded?: (x: string) => string): InstructionPrinter =>
  (c, i) => {
    const m = new Modifiers(i)
    const how = rounded === undefined ? m.need('approx') : m.need('approx', 'rn')
    m.type('f32')
    m.done()
    if (name === 'tanh') c.needs(i, 75, 70)
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    const x = c.read(i, a, 'f32')
    return c.write(i, d, 'f32', how === 'approx' ? `A.${name}(${x})` : `Math.fround(${rounded!(x)})`)
  }

function multiply(c: Translation, i: PtxInstruction, added: boolean): string {
  const m = new Modifiers(i)
  const part = m.take('lo', 'hi', 'wide')
  m.take('rn')
  const type = m.type(...numberTypes)
  m.done()
  const operands = c.operands(i, added ? 4 : 3)
  const [d, a, b] = operands as [PtxOperand, PtxOperand, PtxOperand]
  const third = operands[3]
  if (part === undefined) {
    if (added) return c.fail(i, 'expects .lo, .hi or .wide')
    if (type !== 'f32' && type !== 'f16' && type !== 'f16x2') return c.fail(i, 'expects .lo, .hi or .wide')
    return binary({ float: (x, y) => `${x}*${y}` })(c, i)
  }
  if (type === 'f32' || type === 'f16' || type === 'f16x2') return c.fail(i, `of ${type} has no .${part}`)
  const [x, y] = [c.read(i, a, type), c.read(i, b, type)]
  if (part === 'wide') {
    if (type === 's64' || type === 'u64') return c.fail(i, 'is too wide')
    const result: PtxType = type === 's16' ? 's32' : type === 'u16' ? 'u32' : type === 's32' ? 's64' : 'u64'
    // By a small constant, as indices are by the size of their elements, a product of 32 bits stays in range.
    const small = [a, b].some((operand) => operand.kind === 'immediate' && Math.abs(operand.value) <= 2 ** 20)
    const product = result.endsWith('64') && !small ? c.wide(i, `${x}*${y}`) : `${x}*${y}`
    if (third === undefined) return c.write(i, d, result, product)
    const sum = `${product}+${c.read(i, third, result)}`
    return c.write(i, d, result, result.endsWith('64') ? c.wide(i, sum) : `(${sum})`)
  }
  if (type === 's64' || type === 'u64') {
    if (part === 'hi') return c.fail(i, 'is not known for 64 bits')
    const product = c.wide(i, `${x}*${y}`)
    return c.write(i, d, type, third === undefined ? product : c.wide(i, `${product}+${c.read(i, third, type)}`))
  }
  if (type === 's16' || type === 'u16') {
    const product = part === 'lo' ? `Math.imul(${x},${y})` : `(Math.imul(${x},${y})>>16)`
    return c.write(i, d, type, third === undefined ? product : `(${product}+${c.read(i, third, type)})`)
  }
  const product = part === 'lo' ? `Math.imul(${x},${y})` : `${type === 's32' ? 'mulHighSigned' : 'mulHighUnsigned'}(${x},${y})`
  return c.write(i, d, type, third === undefined ? product : `(${product}+${c.read(i, third, type)})`)
}

const orderedComparisons = { eq: '===', lt: '<', le: '<=', gt: '>', ge: '>=', lo: '<', ls: '<=', hi: '>', hs: '>=' } as const
const unorderedComparisons = ['equ', 'neu', 'ltu', 'leu', 'gtu', 'geu', 'num', 'nan'] as const

function comparison(c: Translation, i: PtxInstruction, name: string, type: PtxType, a: string, b: string): string {
  const float = type === 'f32' || type === 'f16' || type === 'bf16'
  if (name === 'ne') return float ? `(${a}<${b}||${a}>${b})` : `${a}!==${b}`
  const ordered = orderedComparisons[name as 'eq']
  if (ordered !== undefined) return `${a}${ordered}${b}`
  if (!float) return c.fail(i, `.${name} compares floats`)
  const isNaN = `(${a}!==${a}||${b}!==${b})`
  if (name === 'nan') return isNaN
  if (name === 'num') return `!${isNaN}`
  if (name === 'neu') return `${a}!==${b}`
  return `(${isNaN}||${a}${orderedComparisons[name.slice(0, 2) as 'eq']}${b})`
}

export const arithmetic: Readonly<Record<string, InstructionPrinter>> = {
  mov(c, i) {
    const m = new Modifiers(i)
    const type = m.type()
    m.done()
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    if (d.kind === 'vector' || a.kind === 'vector') return moveParts(c, i, d, a)
    // A predicate's constant, or the address of a variable, has the type of the register.
    return c.write(i, d, type, c.read(i, a, type))
  },
  add: binary({
    word: (a, b) => `(${a}+${b})`,
    wide: (a, b) => `${a}+${b}`,
    float: (a, b) => `${a}+${b}`,
  }),
  sub: binary({
    word: (a, b) => `(${a}-${b})`,
    wide: (a, b) => `${a}-${b}`,
    float: (a, b) => `${a}-${b}`,
  }),
  mul: (c, i) => multiply(c, i, false),
  mad: (c, i) => multiply(c, i, true),
  div(c, i) {
    const m = new Modifiers(i)
    const how = m.take('rn', 'full', 'approx')
    const type = m.type('s32', 'u32', 's64', 'u64', 'f32')
    m.done()
    const [d, a, b] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    const [x, y] = [c.read(i, a, type), c.read(i, b, type)]
    if (type === 'f32') {
      if (how === undefined) return c.fail(i, 'of f32 says how it rounds')
      return c.write(i, d, type, how === 'rn' ? `Math.fround(${x}/${y})` : `A.div(${x},${y})`)
    }
    if (type === 's64') return c.write(i, d, type, c.wide(i, `Math.trunc(${x}/${y})`))
    if (type === 'u64') return c.write(i, d, type, c.wide(i, `Math.floor(${c.unsigned(i, x)}/${c.unsigned(i, y)})`))
    return c.write(i, d, type, `${type === 's32' ? 'divSigned' : 'divUnsigned'}(${x},${y})`)
  },
  rem(c, i) {
    const m = new Modifiers(i)
    const type = m.type('s32', 'u32', 's64', 'u64')
    m.done()
    const [d, a, b] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    const [x, y] = [c.read(i, a, type), c.read(i, b, type)]
    if (type === 's64') return c.write(i, d, type, c.wide(i, `${x}%${y}`))
    if (type === 'u64') return c.write(i, d, type, c.wide(i, `${c.unsigned(i, x)}%${c.unsigned(i, y)}`))
    return c.write(i, d, type, `${type === 's32' ? 'remSigned' : 'remUnsigned'}(${x},${y})`)
  },
  min: binary({
    word: (a, b) => `Math.min(${a},${b})`,
    wide: (a, b) => `Math.min(${a},${b})`,
    float: (a, b) => `minFloat(${a},${b})`,
    exact: true,
  }),
  max: binary({
    word: (a, b) => `Math.max(${a},${b})`,
    wide: (a, b) => `Math.max(${a},${b})`,
    float: (a, b) => `maxFloat(${a},${b})`,
    exact: true,
  }),
  abs: unary({ whole: (x) => `Math.abs(${x})`, float: (x) => `Math.abs(${x})` }),
  neg: unary({ whole: (x) => `(0-${x})`, float: (x) => `(-${x})` }),
  and: bits('&'),
  or: bits('|'),
  xor: bits('^'),
  not(c, i) {
    const m = new Modifiers(i)
    const type = m.type('b32', 'b16', 'pred')
    m.done()
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    return c.write(i, d, type, `${type === 'pred' ? '!' : '~'}${c.read(i, a, type)}`)
  },
  shl: shift(true),
  shr: shift(false),
  shf(c, i) {
    const m = new Modifiers(i)
    const left = m.need('l', 'r') === 'l'
    const wraps = m.need('wrap', 'clamp') === 'wrap'
    m.type('b32')
    m.done()
    const [d, a, b, n] = c.operands(i, 4) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    return c.write(i, d, 'b32', `funnel(${c.read(i, a, 'b32')},${c.read(i, b, 'b32')},${c.read(i, n, 'u32')},${left},${wraps})`)
  },
  fma(c, i) {
    const m = new Modifiers(i)
    m.need('rn')
    const type = m.type('f32', 'f16', 'f16x2')
    m.done()
    const [d, ...rest] = c.operands(i, 4)
    if (type === 'f16x2') return c.write(i, d!, type, `onHalves(${rest.map((x) => c.read(i, x, 'b32')).join(',')},(a,b,c)=>a*b+c)`)
    const [a, b, added] = rest.map((x) => c.read(i, x, type))
    return c.write(i, d!, type, type === 'f32' ? `fma(${a},${b},${added})` : `${a}*${b}+${added}`)
  },
  setp(c, i) {
    const m = new Modifiers(i)
    const name = m.need('eq', 'ne', 'lt', 'le', 'gt', 'ge', 'lo', 'ls', 'hi', 'hs', ...unorderedComparisons)
    const joined = m.take('and', 'or', 'xor')
    const type = m.type('s32', 'u32', 'b32', 's64', 'u64', 'b64', 's16', 'u16', 'b16', 'f32', 'f16')
    m.done()
    const [d, a, b, other] = c.operands(i, joined === undefined ? 3 : 4) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand | undefined]
    const unsigned = type === 'u64' && name !== 'eq' && name !== 'ne'
    const [x, y] = [a, b].map((operand) => (unsigned ? c.unsigned(i, c.read(i, operand, type)) : c.read(i, operand, type))) as [
      string,
      string,
    ]
    const join = (value: string): string => {
      if (joined === undefined) return value
      const with_ = c.read(i, other!, 'pred')
      return joined === 'xor' ? `(${value})!==${with_}` : `(${value})${joined === 'and' ? '&&' : '||'}${with_}`
    }
    const holds = comparison(c, i, name, type, x, y)
    if (d.kind !== 'pair') return c.write(i, d, 'pred', join(holds))
    return `s=${holds};${c.write(i, d.first, 'pred', join('s'))}${c.write(i, d.second, 'pred', join('!s'))}`
  },
  selp(c, i) {
    const m = new Modifiers(i)
    const type = m.type('b32', 'u32', 's32', 'f32', 'b16', 'u16', 's16', 'b64', 'u64', 's64')
    m.done()
    const [d, a, b, p] = c.operands(i, 4) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    return c.write(i, d, type, `(${c.read(i, p, 'pred')}?${c.read(i, a, type)}:${c.read(i, b, type)})`)
  },
  ex2: special('ex2'),
  lg2: special('lg2'),
  sin: special('sin'),
  cos: special('cos'),
  tanh: special('tanh'),
  rsqrt: special('rsqrt'),
  rcp: special('rcp', (x) => `1/${x}`),
  sqrt: special('sqrt', (x) => `Math.sqrt(${x})`),
  copysign(c, i) {
    const m = new Modifiers(i)
    m.type('f32')
    m.done()
    const [d, a, b] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    return c.write(i, d, 'f32', `withSignOf(${c.read(i, a, 'f32')},${c.read(i, b, 'f32')})`)
  },
  testp(c, i) {
    const m = new Modifiers(i)
    const name = m.need('finite', 'infinite', 'number', 'notanumber', 'normal', 'subnormal')
    m.type('f32')
    m.done()
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    const x = c.read(i, a, 'f32')
    const size = `Math.abs(${x})`
    const tests = {
      finite: `${size}<Infinity`,
      infinite: `${size}===Infinity`,
      number: `${x}===${x}`,
      notanumber: `${x}!==${x}`,
      normal: `(${size}>=${2 ** -126}&&${size}<Infinity)`,
      subnormal: `(${size}<${2 ** -126}&&${x}!==0)`,
    }
    return c.write(i, d, 'pred', tests[name])
  },
  bfe(c, i) {
    const m = new Modifiers(i)
    const type = m.type('u32', 's32')
    m.done()
    const [d, a, b, n] = c.operands(i, 4) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    return c.write(i, d, type, `bitField(${c.read(i, a, 'b32')},${c.read(i, b, 'u32')},${c.read(i, n, 'u32')},${type === 's32'})`)
  },
  bfi(c, i) {
    const m = new Modifiers(i)
    m.type('b32')
    m.done()
    const [d, a, b, from, n] = c.operands(i, 5) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    return c.write(i, d, 'b32', `insertBits(${[a, b, from, n].map((x) => c.read(i, x, 'b32')).join(',')})`)
  },
  brev: word('reverseBits', 'b32'),
  popc: word('countBits', 'b32'),
  clz: word('Math.clz32', 'b32'),
  prmt(c, i) {
    const m = new Modifiers(i)
    m.type('b32')
    m.done()
    const [d, a, b, n] = c.operands(i, 4) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    return c.write(i, d, 'b32', `permute(${[a, b, n].map((x) => c.read(i, x, 'b32')).join(',')})`)
  },
  dp4a(c, i) {
    const m = new Modifiers(i)
    const [first, second] = [m.type('s32', 'u32'), m.type('s32', 'u32')]
    m.done()
    const [d, a, b, added] = c.operands(i, 4) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    return c.write(i, d, 's32', `dot4(${[a, b, added].map((x) => c.read(i, x, 'b32')).join(',')},${first === 's32'},${second === 's32'})`)
  },
  lop3(c, i) {
    const m = new Modifiers(i)
    m.type('b32')
    m.done()
    const [d, ...rest] = c.operands(i, 5)
    return c.write(i, d!, 'b32', `logic3(${rest.map((x) => c.read(i, x, 'b32')).join(',')})`)
  },
  trap: (c, i) => `M.fail('trap',${i.line},t,'trap');`,
}

/** A register from its parts, or into them. */
function moveParts(c: Translation, i: PtxInstruction, d: PtxOperand, a: PtxOperand): string {
  const [type] = i.modifiers
  if (type === 'b32') {
    if (a.kind === 'vector') {
      const [low, high] = a.parts.map((part) => c.read(i, part, 'b16'))
      return a.parts.length === 2 ? c.write(i, d, 'b32', `(${low}|${high}<<16)`) : c.fail(i, 'a word has two halves')
    }
    const parts = d.kind === 'vector' && d.parts.length === 2 ? d.parts : c.fail(i, 'a word has two halves')
    return `s=${c.read(i, a, 'b32')};${c.write(i, parts[0]!, 'b16', 's&65535')}${c.write(i, parts[1]!, 'b16', 's>>>16')}`
  }
  if (type === 'b64') {
    if (a.kind === 'vector') {
      const [low, high] = a.parts.map((part) => c.read(i, part, 'u32'))
      return a.parts.length === 2 ? c.write(i, d, 'b64', c.wide(i, `${high}*4294967296+${low}`)) : c.fail(i, 'two words')
    }
    const parts = d.kind === 'vector' && d.parts.length === 2 ? d.parts : c.fail(i, 'two words')
    return `s=${c.unsigned(i, c.read(i, a, 'b64'))};${c.write(i, parts[0]!, 'u32', 's>>>0')}${c.write(i, parts[1]!, 'u32', 'Math.floor(s/4294967296)')}`
  }
  return c.fail(i, 'is not known')
}
