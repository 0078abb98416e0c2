import type { BinaryOp, Builtin, Expr, Kernel, Scalar, Shared, Storage, SubgroupOp, UnaryOp, Uniform, ValueType, Variable } from '../ir.js'
import { typeBytes } from '../ir.js'
import { exp, log, log2, remainder, sine, tanh } from './math.js'
import { isFloatScalar, kindOf, literal, suffixOf, type Operand, type PtxWriter, type RegisterKind } from './writer.js'

/** A value in registers or constants, one for each lane. */
export type Lanes = readonly Operand[]

/** Threads of a warp, the subgroup of CUDA. */
const WARP = 32
const axes = ['x', 'y', 'z'] as const
/** What the parameter with the numbers' address is called; names of arrays end in a number. */
export const NUMBERS = 'numbers'
/** Shared memory above this many bytes is given by the launch. */
export const STATIC_SHARED = 48 * 1024
export const DYNAMIC_SHARED = 'shared_memory'

/** Where each shared array begins, aligned to 16 bytes, and how long they are in all. */
export function sharedLayout({ shared }: Kernel): { readonly offsets: ReadonlyMap<Shared, number>; readonly bytes: number } {
  const offsets = new Map<Shared, number>()
  let bytes = 0
  for (const array of shared) {
    offsets.set(array, bytes)
    bytes = Math.ceil((bytes + typeBytes(array.element) * array.length) / 16) * 16
  }
  return { offsets, bytes }
}

/** Prints expressions: their instructions go to the writer, their results are registers. */
export class Expressions {
  readonly variables = new Map<Variable, Lanes>()
  private readonly layout: ReturnType<typeof sharedLayout>
  /** Results within one statement, whose parts may be the same object. */
  private known = new Map<Expr, Lanes>()

  constructor(
    private readonly w: PtxWriter,
    private readonly kernel: Kernel,
    /** Two floats become halves of one word by one instruction, which Turing has not. */
    private readonly joinsHalves: boolean,
  ) {
    this.layout = sharedLayout(kernel)
  }

  /** An expression of a statement of its own. */
  root(expr: Expr): Lanes {
    this.known = new Map()
    return this.print(expr)
  }

  /** The address of an element, as an instruction writes it; where elements have other than the array's `bytes`, of one of that size. */
  address(array: Storage | Shared, index: Expr, bytes = typeBytes(array.element)): Operand {
    const constant = index.node.kind === 'const' ? Number(index.node.value) * bytes : -1
    const near = constant >= 0 && constant < 2 ** 31
    if (array.kind === 'shared') {
      const base = this.sharedBase(array)
      if (near) return `[${base}+${constant}]`
      // A constant that is added goes into the instruction, so that neighbours share one address. Addresses of 32 bits wrap around as the index does.
      const { start, offset } = withoutOffset(index)
      const own = this.print(start)[0]!
      const address = this.w.op('r', 'mad.lo.u32', own, String(bytes), this.sharedAddress(array))
      return offset === 0 ? `[${address}]` : `[${address}+${offset * bytes}]`
    }
    const base = this.pointer(array.name)
    if (near) return `[${base}+${constant}]`
    const type = index.type.scalar === 'i32' ? 's32' : 'u32'
    return `[${this.w.op('rd', `mad.wide.${type}`, this.print(index)[0]!, String(bytes), base)}]`
  }

  /** The global address in a parameter. */
  pointer(name: string): Operand {
    return this.w.once(`param ${name}`, () => this.w.op('rd', 'cvta.to.global.u64', this.w.op('rd', 'ld.param.u64', `[${name}]`)))
  }

  /** A register that holds an operand, which may be a constant. */
  asRegister(operand: Operand, kind: RegisterKind): Operand {
    return operand.startsWith('%') ? operand : this.w.op(kind, moves[kind], operand)
  }

  /** A half of memory, as a register of 16 bits. */
  half(value: Operand): Operand {
    return this.w.op('h', 'cvt.rn.f16.f32', this.asRegister(value, 'f'))
  }

  private sharedAddress(array: Shared): Operand {
    return this.w.once(`base ${array.name}`, () => this.asRegister(this.sharedBase(array), 'r'))
  }

  private sharedBase(array: Shared): Operand {
    if (this.layout.bytes <= STATIC_SHARED) return array.name
    return this.w.once(`shared ${array.name}`, () =>
      this.w.op('r', 'add.u32', this.w.op('r', 'mov.u32', DYNAMIC_SHARED), String(this.layout.offsets.get(array)!)),
    )
  }

  private print(expr: Expr): Lanes {
    const found = this.known.get(expr)
    if (found !== undefined) return found
    const made = this.compute(expr)
    this.known.set(expr, made)
    return made
  }

  private compute(expr: Expr): Lanes {
    const { w } = this
    const { node, type } = expr
    switch (node.kind) {
      case 'const': {
        const constant = literal(node.value, type.scalar)
        return [type.scalar === 'bool' ? w.op('p', 'mov.pred', constant) : constant]
      }
      case 'variable':
        return this.variables.get(node.variable)!
      case 'uniform':
        return [this.uniform(node.uniform)]
      case 'builtin':
        return [this.builtin(node.name, node.axis)]
      case 'unary':
        return this.print(node.x).map((x) => this.rounded(type.scalar, this.unary(node.op, type.scalar, x), !exactUnary.has(node.op)))
      case 'binary': {
        const [a, b] = [this.print(node.a), this.print(node.b)]
        return a.map((x, i) => this.binary(node.op, node.a.type.scalar, x, b[i]!))
      }
      case 'fma': {
        const [a, b, c] = [this.print(node.a), this.print(node.b), this.print(node.c)]
        return a.map((x, i) => this.rounded(type.scalar, w.op('f', 'fma.rn.f32', x, b[i]!, c[i]!)))
      }
      case 'select': {
        const [condition, yes, no] = [this.print(node.condition), this.print(node.yes), this.print(node.no)]
        return yes.map((x, i) => this.select(type.scalar, condition[condition.length === 1 ? 0 : i]!, x, no[i]!))
      }
      case 'convert':
        return this.print(node.x).map((x) => this.convert(node.x.type.scalar, type.scalar, x))
      case 'bitcast': {
        const [from, to] = [kindOf(node.x.type.scalar), kindOf(type.scalar)]
        return this.print(node.x).map((x) => (from === to && x.startsWith('%') ? x : w.op(to, 'mov.b32', x)))
      }
      case 'half':
        return this.print(node.x).map((x) =>
          node.op === 'decode'
            ? w.op('f', 'cvt.f32.f16', w.op('h', 'cvt.u16.u32', this.asRegister(x, 'r')))
            : w.op('r', 'cvt.u32.u16', this.half(x)),
        )
      case 'vector':
        return node.parts.map((part) => this.print(part)[0]!)
      case 'lane':
        return [this.print(node.x)[node.lane]!]
      case 'load':
        return this.load(node.array, this.address(node.array, node.index))
      case 'commonLoad': {
        const address = this.address(node.array, node.index)
        w.emit('bar.sync', '0')
        const value = this.load(node.array, address)
        w.emit('bar.sync', '0')
        return value
      }
      case 'halves': {
        const [low, high] = [node.low, node.high].map((part) => this.asRegister(this.print(part)[0]!, 'f')) as [Operand, Operand]
        if (this.joinsHalves) return [w.op('r', `cvt.rn.${node.of}x2.f32`, high, low)]
        return [w.op('r', 'mov.b32', `{${this.half(low)}, ${this.half(high)}}`)]
      }
      case 'matrices': {
        const { array, index, offset, transposed } = node
        const results = Array.from({ length: type.lanes }, () => w.register('r'))
        const base = w.op('r', 'mad.lo.u32', this.print(index)[0]!, String(typeBytes(array.element)), this.sharedAddress(array))
        const address = `[${base}+${offset * typeBytes(array.element)}]`
        w.emit(`ldmatrix.sync.aligned.m8n8.x${type.lanes}${transposed ? '.trans' : ''}.shared.b16`, grouped(results), address)
        return results
      }
      case 'subgroup':
        return [this.subgroup(node.op, node.x.type.scalar, this.asRegister(this.print(node.x)[0]!, kindOf(node.x.type.scalar)), node.mask)]
      default:
        return node satisfies never
    }
  }

  /** Halves are rounded after every step that may leave their values. */
  private rounded(scalar: Scalar, value: Operand, inexact = true): Operand {
    return scalar === 'f16' && inexact ? this.w.op('f', 'cvt.f32.f16', this.half(value)) : value
  }

  private uniform({ name, scalar }: Uniform): Operand {
    return this.w.once(`uniform ${name}`, () => {
      const place = this.kernel.uniforms.findIndex((uniform) => uniform.name === name)
      return this.w.op(kindOf(scalar), `ld.global.${suffixOf(scalar)}`, `[${this.pointer(NUMBERS)}+${place * 4}]`)
    })
  }

  private builtin(name: Builtin, axis: 0 | 1 | 2): Operand {
    const { w } = this
    const [width, height, depth] = this.kernel.workgroup
    const size = this.kernel.workgroup[axis]!
    const special = (register: string): Operand => w.once(register, () => w.op('r', 'mov.u32', register))
    const local = (along: 0 | 1 | 2): Operand => (this.kernel.workgroup[along] === 1 ? '0' : special(`%tid.${axes[along]}`))
    switch (name) {
      case 'workgroupId':
        return special(`%ctaid.${axes[axis]}`)
      case 'workgroups':
        return special(`%nctaid.${axes[axis]}`)
      case 'localId':
        return local(axis)
      case 'subgroupLane':
        return special('%laneid')
      case 'globalId':
        return w.once(`globalId ${axis}`, () => w.op('r', 'mad.lo.u32', this.builtin('workgroupId', axis), String(size), local(axis)))
      case 'localIndex':
        return w.once('localIndex', () => {
          const plane = depth === 1 ? local(1) : w.op('r', 'mad.lo.u32', local(2), String(height), local(1))
          return height === 1 && depth === 1 ? local(0) : w.op('r', 'mad.lo.u32', plane, String(width), local(0))
        })
      default:
        return name satisfies never
    }
  }

  private unary(op: UnaryOp, scalar: Scalar, x: Operand): Operand {
    const { w } = this
    switch (op) {
      case 'not':
        return scalar === 'bool' ? w.op('p', 'not.pred', x) : w.op('r', 'not.b32', x)
      case 'neg':
      case 'abs':
        return w.op(kindOf(scalar), `${op}.${suffixOf(scalar)}`, x)
      case 'exp2':
        return w.op('f', 'ex2.approx.f32', x)
      case 'sqrt':
        return w.op('f', 'sqrt.rn.f32', x)
      case 'rsqrt':
        return w.op('f', 'rsqrt.approx.f32', x)
      case 'floor':
      case 'ceil':
      case 'round':
      case 'trunc':
        return w.op('f', `cvt.${roundings[op]}.f32.f32`, x)
      case 'exp':
      case 'log':
      case 'log2':
      case 'tanh':
        return approximated[op](w, x)
      case 'sin':
      case 'cos':
        return sine(w, x, op === 'sin' ? 0 : 1)
      default:
        return op satisfies never
    }
  }

  private binary(op: BinaryOp, scalar: Scalar, a: Operand, b: Operand): Operand {
    const { w } = this
    const suffix = suffixOf(scalar)
    const kind = kindOf(scalar)
    switch (op) {
      case 'add':
      case 'sub':
        return kind === 'f' ? this.rounded(scalar, w.op('f', `${op}.rn.f32`, a, b)) : w.op('r', `${op}.${suffix}`, a, b)
      case 'mul':
        return kind === 'f' ? this.rounded(scalar, w.op('f', 'mul.rn.f32', a, b)) : w.op('r', `mul.lo.${suffix}`, a, b)
      case 'div':
      case 'quotient':
        return kind === 'f' ? this.rounded(scalar, w.op('f', 'div.rn.f32', a, b)) : w.op('r', `div.${suffix}`, a, b)
      case 'rem':
        return kind === 'f' ? this.rounded(scalar, remainder(w, a, b)) : w.op('r', `rem.${suffix}`, a, b)
      case 'min':
      case 'max':
        return w.op(kind, `${op}.${suffix}`, a, b)
      case 'and':
      case 'or':
      case 'xor':
        return w.op(kind, `${op}.${scalar === 'bool' ? 'pred' : 'b32'}`, a, b)
      case 'shl':
      case 'shr': {
        // Counts from 32 on are clamped by the instruction.
        const count = b.startsWith('%') ? w.op('r', 'and.b32', b, '31') : String(Number(b) & 31)
        return w.op('r', op === 'shl' ? 'shl.b32' : `shr.${suffix}`, a, count)
      }
      case 'eq':
      case 'ne': {
        if (scalar !== 'bool') return w.op('p', `setp.${op === 'ne' && kind === 'f' ? 'neu' : op}.${suffix}`, a, b)
        const differ = w.op('p', 'xor.pred', a, b)
        return op === 'ne' ? differ : w.op('p', 'not.pred', differ)
      }
      case 'lt':
      case 'le':
      case 'gt':
      case 'ge':
        return w.op('p', `setp.${op}.${suffix}`, a, b)
      default:
        return op satisfies never
    }
  }

  private select(scalar: Scalar, condition: Operand, yes: Operand, no: Operand): Operand {
    const { w } = this
    if (scalar !== 'bool') return w.op(kindOf(scalar), `selp.${kindOf(scalar) === 'f' ? 'f32' : 'b32'}`, yes, no, condition)
    return w.op('p', 'or.pred', w.op('p', 'and.pred', condition, yes), w.op('p', 'and.pred', w.op('p', 'not.pred', condition), no))
  }

  private convert(from: Scalar, to: Scalar, x: Operand): Operand {
    const { w } = this
    if (from === 'bool') {
      const [one, zero] = [literal(1, to), literal(0, to)]
      return this.select(to, x, one, zero)
    }
    // NaN is not 0, and so true.
    if (to === 'bool') return w.op('p', isFloatScalar(from) ? 'setp.neu.f32' : 'setp.ne.u32', x, literal(0, from))
    if (isFloatScalar(from)) return isFloatScalar(to) ? this.rounded(to, x) : w.op('r', `cvt.rzi.${suffixOf(to)}.f32`, x)
    // A half's range ends where floats still hold every whole number, so that nothing is rounded twice.
    return isFloatScalar(to) ? this.rounded(to, w.op('f', `cvt.rn.f32.${suffixOf(from)}`, x)) : this.asRegister(x, 'r')
  }

  private load(array: Storage | Shared, address: Operand): Lanes {
    const { w } = this
    const { scalar, lanes } = array.element
    const half = scalar === 'f16'
    const kind = half ? 'h' : kindOf(scalar)
    const results = Array.from({ length: lanes }, () => w.register(kind))
    const space = array.kind === 'shared' ? 'ld.shared' : array.atomic ? 'ld.relaxed.gpu.global' : 'ld.global'
    w.emit(`${space}${vectorOf(lanes)}.${half ? 'b16' : suffixOf(scalar)}`, grouped(results), address)
    return half ? results.map((bits) => w.op('f', 'cvt.f32.f16', bits)) : results
  }

  /**
   * Values of the warp's threads by shuffles. Sums and extremes go by halves over all 32 lanes; the last warp of a workgroup may have fewer, and then they go down to
   * lane 0, past the lanes that are not there, and from it to all.
   */
  private subgroup(op: SubgroupOp, scalar: Scalar, x: Operand, mask: number): Operand {
    const { w } = this
    const kind = kindOf(scalar)
    const threads = this.kernel.workgroup.reduce((product, size) => product * size, 1)
    const whole = threads % WARP === 0
    const members = whole ? '0xffffffff' : w.once('members', () => this.membersOf(this.lanesPresent(threads)))
    if (op === 'shuffleXor') return w.op(kind, 'shfl.sync.bfly.b32', x, String(mask), '31', members)
    const combine = (a: Operand, b: Operand): Operand => this.binary(op, scalar, a, b)
    let value = x
    for (let step = WARP / 2; step >= 1; step /= 2) {
      if (whole) {
        value = combine(value, w.op(kind, 'shfl.sync.bfly.b32', value, String(step), '31', members))
        continue
      }
      const last = w.once('lastLane', () => w.op('r', 'sub.u32', this.lanesPresent(threads), '1'))
      const [other, present] = [w.register(kind), w.register('p')]
      w.emit('shfl.sync.down.b32', `${other}|${present}`, value, String(step), last, members)
      value = this.select(scalar, present, combine(value, other), value)
    }
    return whole ? value : w.op(kind, 'shfl.sync.idx.b32', value, '0', '31', members)
  }

  private lanesPresent(threads: number): Operand {
    return this.w.once('lanesPresent', () => {
      const first = this.w.op('r', 'and.b32', this.builtin('localIndex', 0), String(-WARP))
      return this.w.op('r', 'min.u32', this.w.op('r', 'sub.u32', String(threads), first), String(WARP))
    })
  }

  /** The lowest bits; a shift by 32 gives 0, and all bits then. */
  private membersOf(count: Operand): Operand {
    return this.w.op('r', 'sub.u32', this.w.op('r', 'shl.b32', '1', count), '1')
  }
}

/** An index and a small constant that is added to it. */
function withoutOffset(index: Expr): { readonly start: Expr; readonly offset: number } {
  const { node } = index
  if (node.kind !== 'binary' || node.op !== 'add' || node.b.node.kind !== 'const') return { start: index, offset: 0 }
  const offset = Number(node.b.node.value)
  return offset >= 0 && offset < 2 ** 16 ? { start: node.a, offset } : { start: index, offset: 0 }
}

const approximated = { exp, log, log2, tanh } as const
const moves: Readonly<Record<RegisterKind, string>> = { r: 'mov.b32', f: 'mov.f32', p: 'mov.pred', rd: 'mov.b64', h: 'mov.b16' }
const roundings = { floor: 'rmi', ceil: 'rpi', round: 'rni', trunc: 'rzi' } as const
/** Of a half these give a half. */
const exactUnary: ReadonlySet<UnaryOp> = new Set(['neg', 'not', 'abs', 'floor', 'ceil', 'round', 'trunc'])

export const vectorOf = (lanes: number): string => (lanes === 1 ? '' : `.v${lanes}`)
export const grouped = (operands: Lanes): Operand => (operands.length === 1 ? operands[0]! : `{${operands.join(', ')}}`)
/** The move of a value of a type, one lane. */
export const moveOf = ({ scalar }: ValueType): string => moves[kindOf(scalar)]
