/** Kernels put together at random, printed as PTX and run, against an interpreter of the kernel language's own statements. */
import { expect, it } from 'vitest'
import { buildKernel, f32, i32, u32, type Cell, type KernelBuilder } from '../../../kernel/builder.js'
import {
  vector,
  type BinaryOp,
  type Expr,
  type Kernel,
  type Scalar,
  type Shared,
  type Stmt,
  type Storage,
  type Variable,
} from '../../../kernel/ir.js'
import { numbers } from '../../../testing/samples.js'
import { launchKernel } from './launch-ptx.js'

const THREADS = 8
/** Elements of each array that belong to one thread. */
const OWN = 16

type Value = readonly (number | boolean)[]
type Memory = ReadonlyMap<Storage | Shared, Int32Array | Uint32Array | Float32Array>

const wrap = (scalar: Scalar, value: number): number => (scalar === 'i32' ? value | 0 : scalar === 'u32' ? value >>> 0 : Math.fround(value))

function binary(op: BinaryOp, scalar: Scalar, a: number, b: number): number | boolean {
  switch (op) {
    case 'add':
      return wrap(scalar, a + b)
    case 'sub':
      return wrap(scalar, a - b)
    case 'mul':
      return scalar === 'f32' ? Math.fround(a * b) : wrap(scalar, Math.imul(a, b))
    case 'min':
      return Math.min(a, b)
    case 'max':
      return Math.max(a, b)
    case 'and':
      return wrap(scalar, a & b)
    case 'or':
      return wrap(scalar, a | b)
    case 'xor':
      return wrap(scalar, a ^ b)
    case 'shl':
      return wrap(scalar, a << (b & 31))
    case 'shr':
      return scalar === 'u32' ? a >>> (b & 31) : a >> (b & 31)
    case 'lt':
      return a < b
    case 'ge':
      return a >= b
    case 'eq':
      return a === b
    case 'ne':
      return a !== b
    default:
      throw new RangeError(op)
  }
}

/** What one thread does to memory. */
function interpret(kernel: Kernel, memory: Memory, thread: number): void {
  const variables = new Map<Variable, Value>()
  const evaluate = ({ node, type }: Expr): Value => {
    switch (node.kind) {
      case 'const':
        return [node.value]
      case 'variable':
        return variables.get(node.variable)!
      case 'builtin':
        return [thread]
      case 'unary':
        return evaluate(node.x).map((x) =>
          node.op === 'not' ? (typeof x === 'boolean' ? !x : wrap(type.scalar, ~x)) : wrap(type.scalar, -Number(x)),
        )
      case 'binary': {
        const [a, b] = [evaluate(node.a), evaluate(node.b)]
        return a.map((x, i) => {
          if (typeof x === 'boolean') return node.op === 'and' ? x && b[i] === true : node.op === 'or' ? x || b[i] === true : x !== b[i]
          return binary(node.op, node.a.type.scalar, x, Number(b[i]))
        })
      }
      case 'select': {
        const [condition, yes, no] = [evaluate(node.condition), evaluate(node.yes), evaluate(node.no)]
        return yes.map((x, i) => (condition[condition.length === 1 ? 0 : i] === true ? x : no[i]!))
      }
      case 'convert':
        return evaluate(node.x).map((x) => wrap(type.scalar, Number(x)))
      case 'bitcast':
        return evaluate(node.x).map((x) => wrap(type.scalar, Number(x)))
      case 'vector':
        return node.parts.flatMap(evaluate)
      case 'lane':
        return [evaluate(node.x)[node.lane]!]
      case 'load': {
        const at = Number(evaluate(node.index)[0]) * type.lanes
        return [...memory.get(node.array)!.slice(at, at + type.lanes)]
      }
      default:
        throw new RangeError(node.kind)
    }
  }
  const run = (statements: readonly Stmt[]): void => {
    for (const statement of statements) {
      switch (statement.kind) {
        case 'let':
        case 'var':
        case 'assign':
          variables.set(statement.variable, evaluate(statement.value))
          break
        case 'store': {
          const { array, index, value } = statement
          memory.get(array)!.set(evaluate(value).map(Number), Number(evaluate(index)[0]) * array.element.lanes)
          break
        }
        case 'if':
          run(evaluate(statement.condition)[0] === true ? statement.yes : statement.no)
          break
        case 'for': {
          const { variable, from, to, step, body } = statement
          const end = Number(evaluate(to)[0])
          const { scalar } = variable.type
          for (let i = Number(evaluate(from)[0]); i < end; i = wrap(scalar, i + Number(evaluate(step)[0]))) {
            variables.set(variable, [i])
            run(body)
          }
          break
        }
        default:
          throw new RangeError(statement.kind)
      }
    }
  }
  run(kernel.body)
}

/** A kernel of some twenty statements, whose threads keep to their own parts of memory. */
function randomKernel(seed: number): Kernel {
  const next = numbers(seed * 7919 + 1)
  const below = (count: number): number => Math.floor(next() * count)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!
  return buildKernel({ name: 'random', workgroup: [THREADS, 1, 1] }, (b) => {
    const arrays = { i32: b.storage('whole', 'i32'), u32: b.storage('bits', 'u32'), f32: b.storage('reals', 'f32') }
    const pairs = b.storage('pairs', 'i32', { lanes: 2 })
    const tile = b.sharedArray('tile', 'u32', THREADS * OWN)
    const scalars = ['i32', 'u32', 'f32'] as const
    type Number32 = (typeof scalars)[number]
    const constants: Record<Number32, () => Expr> = {
      i32: () => i32(below(200) - 100),
      u32: () => u32(below(100)),
      f32: () => f32((below(64) - 32) / 4),
    }
    /** Names that can be read here, innermost last. */
    let known: (Expr | Cell)[] = []
    const read = (item: Expr | Cell): Expr => ('set' in item ? item.value : item)
    const of = (scalar: Number32, lanes = 1): (Expr | Cell)[] =>
      known.filter((item) => read(item).type.scalar === scalar && read(item).type.lanes === lanes)
    const value = (scalar: Number32, depth: number): Expr => {
      const names = of(scalar)
      if (depth === 0 || next() < 0.2) return names.length > 0 && next() < 0.8 ? read(pick(names)) : constants[scalar]()
      const again = (other: Number32 = scalar): Expr => value(other, depth - 1)
      switch (below(7)) {
        case 0:
          return truth(depth - 1).select(again(), again())
        case 1:
          return scalar === 'f32' ? again('i32').to('f32') : again(scalar === 'i32' ? 'u32' : 'i32').bits(scalar)
        case 2:
          return scalar === 'u32' ? again().not() : again().neg()
        case 3: {
          const vectors = of(scalar, 2)
          return vectors.length > 0 ? read(pick(vectors)).lane(below(2)) : again()
        }
        default: {
          const op = pick(
            scalar === 'f32'
              ? (['add', 'sub', 'mul', 'min'] as const)
              : (['add', 'sub', 'mul', 'min', 'max', 'and', 'or', 'xor', 'shl', 'shr'] as const),
          )
          return again()[op](again())
        }
      }
    }
    const truth = (depth: number): Expr => {
      const scalar = pick(scalars)
      const one = value(scalar, depth)[pick(['lt', 'ge', 'eq', 'ne'] as const)](value(scalar, depth))
      return next() < 0.3
        ? one[pick(['and', 'or', 'xor'] as const)](value('i32', depth).lt(value('i32', depth)))
        : next() < 0.2
          ? one.not()
          : one
    }
    const place = (count: number): Expr =>
      b
        .localIndex()
        .mul(count)
        .add(value('u32', 2).and(count - 1))
    const inside = (body: () => void) => (): void => {
      const outer = known
      known = [...known]
      body()
      known = outer
    }
    const statements = (builder: KernelBuilder, count: number, depth: number): void => {
      for (let i = 0; i < count; i++) {
        const scalar = pick(scalars)
        switch (below(depth > 0 ? 9 : 7)) {
          case 0:
            known.push(builder.let('a', value(scalar, 3)))
            break
          case 1:
            known.push(builder.var('v', value(scalar, 2)))
            break
          case 2: {
            const cells = known.filter((item): item is Cell => 'set' in item)
            if (cells.length === 0) break
            const cell = pick(cells)
            const { scalar: own, lanes } = cell.value.type
            // Lanes that trade places have to be read before they are written.
            cell.set(
              lanes === 2 ? vector(cell.value.lane(1), next() < 0.5 ? cell.value.lane(0) : value('i32', 2)) : value(own as Number32, 3),
            )
            break
          }
          case 3:
            known.push(builder.load(arrays[scalar], place(OWN)))
            break
          case 4:
            builder.store(arrays[scalar], place(OWN), value(scalar, 3))
            break
          case 5: {
            builder.store(tile, place(OWN), value('u32', 2))
            known.push(builder.var('w', builder.load(pairs, place(OWN / 2))))
            break
          }
          case 6:
            builder.store(pairs, place(OWN / 2), vector(value('i32', 2), value('i32', 2)))
            break
          case 7:
            builder.if(
              truth(2),
              inside(() => statements(builder, 3, depth - 1)),
              next() < 0.5 ? inside(() => statements(builder, 2, depth - 1)) : undefined,
            )
            break
          default:
            builder.for('i', value('i32', 1).and(3), value('i32', 1).and(7), 1 + below(2), (turn) =>
              inside(() => {
                known.push(turn)
                statements(builder, 3, depth - 1)
              })(),
            )
        }
      }
    }
    b.for('k', u32(0), OWN, 1, (k) => b.store(tile, b.localIndex().mul(OWN).add(k), k.mul(3)))
    statements(b, 14, 3)
    b.for('k', u32(0), OWN, 1, (k) =>
      b.store(
        arrays.u32,
        b.localIndex().mul(OWN).add(k),
        b.load(tile, b.localIndex().mul(OWN).add(k)).xor(b.load(arrays.u32, b.localIndex().mul(OWN).add(k))),
      ),
    )
    for (const item of known) {
      const last = read(item)
      if (last.type.lanes === 1) b.store(arrays[last.type.scalar as Number32], place(OWN), last)
    }
  })
}

it('agrees with an interpreter on kernels put together at random', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const kernel = randomKernel(seed)
    const fill = (array: Storage | Shared): Int32Array | Uint32Array | Float32Array => {
      const count = 'length' in array ? array.length : THREADS * OWN
      const { scalar } = array.element
      return scalar === 'f32'
        ? Float32Array.from({ length: count }, (_, i) => ((i * 37) % 29) / 4 - 3)
        : new (scalar === 'i32' ? Int32Array : Uint32Array)(Array.from({ length: count }, (_, i) => (i * 7919) % 1000))
    }
    const expected = new Map([...kernel.storages, ...kernel.shared].map((array) => [array, fill(array)] as const))
    for (let thread = 0; thread < THREADS; thread++) interpret(kernel, expected, thread)
    const actual = kernel.storages.map(fill)
    launchKernel(kernel, actual, { order: seed % 2 === 0 ? 'reverse' : 'forward', maxTurns: 100_000 })
    kernel.storages.forEach((array, i) =>
      expect([seed, array.name, [...actual[i]!]]).toEqual([seed, array.name, [...expected.get(array)!]]),
    )
  }
})
