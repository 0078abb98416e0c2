/** Kernels of the kernel language, printed as PTX and run, against plain JavaScript, in three orders of threads. */
import { describe, expect, it } from 'vitest'
import { fromHalfBits, toHalfBits } from '../../../dtype.js'
import { buildKernel, f32, i32, u32, type KernelBuilder } from '../../../kernel/builder.js'
import { constant, vector, type Expr, type Kernel, type UnaryOp } from '../../../kernel/ir.js'
import { launchKernel, type KernelLaunch } from './launch-ptx.js'

const orders = ['forward', 'reverse', 'random'] as const

/** Deterministic numbers from −1 to 1. */
const ramp = (count: number, step: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * step + 1))

const launch = (kernel: Kernel, arrays: Parameters<typeof launchKernel>[1], options: KernelLaunch): void =>
  launchKernel(kernel, arrays, { checks: { global: true }, ...options })

/** An array that nobody wrote, so that what a kernel leaves out shows. */
const unwritten = (count: number): Float32Array => new Float32Array(count).fill(NaN)

describe.each(orders)('in order %s', (order) => {
  it('adds rows whose length is no multiple of the workgroup', () => {
    const kernel = buildKernel({ name: 'saxpy' }, (b) => {
      const [x, y] = [b.storage('x', 'f32'), b.storage('y', 'f32')]
      const [count, scale] = [b.uniform('count'), b.uniform('scale', 'f32')]
      const i = b.globalId(0)
      b.if(i.lt(count), () => b.store(y, i, b.load(x, i).fma(scale, b.load(y, i))))
    })
    for (const count of [1, 63, 64, 65, 200]) {
      const [x, y] = [ramp(count, 0.3), ramp(count, 0.7)]
      const expected = y.map((value, i) => x[i]! * Math.fround(0.1) + value)
      launch(kernel, [x, y], { order, grid: [Math.ceil(count / 64), 1, 1], uniforms: [count, 0.1] })
      expect(y).toEqual(expected)
    }
  })

  it('multiplies matrices by tiles in shared memory', () => {
    const T = 16
    const kernel = buildKernel({ name: 'matmul', workgroup: [T, T, 1] }, (b) => {
      const [a, c, out] = [b.storage('a', 'f32'), b.storage('b', 'f32'), b.storage('out', 'f32')]
      const [m, n, k] = [b.uniform('m'), b.uniform('n'), b.uniform('k')]
      const [tileA, tileB] = [b.sharedArray('tileA', 'f32', T * T), b.sharedArray('tileB', 'f32', T * T)]
      const [x, y] = [b.localId(0), b.localId(1)]
      const [column, row] = [b.globalId(0), b.globalId(1)]
      const sum = b.var('sum', f32(0))
      b.for('from', u32(0), k, T, (from) => {
        const load = (array: typeof a, within: Expr, index: Expr): Expr => {
          const value = b.var('value', f32(0))
          b.if(within, () => value.set(b.load(array, index)))
          return value.value
        }
        b.store(tileA, y.mul(T).add(x), load(a, row.lt(m).and(from.add(x).lt(k)), row.mul(k).add(from).add(x)))
        b.store(tileB, y.mul(T).add(x), load(c, column.lt(n).and(from.add(y).lt(k)), from.add(y).mul(n).add(column)))
        b.barrier()
        b.unrolled(T, (i) => sum.set(b.load(tileA, y.mul(T).add(i)).fma(b.load(tileB, u32(i * T).add(x)), sum.value)))
        b.barrier()
      })
      b.if(row.lt(m).and(column.lt(n)), () => b.store(out, row.mul(n).add(column), sum.value))
    })
    const [m, n, k] = [33, 20, 37]
    const [x, y, out] = [ramp(m * k, 0.3), ramp(k * n, 0.7), unwritten(m * n)]
    launch(kernel, [x, y, out], { order, grid: [2, 3, 1], uniforms: [m, n, k] })
    for (let i = 0; i < m * n; i++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += x[Math.floor(i / n) * k + p]! * y[p * n + (i % n)]!
      expect(out[i]!).toBeCloseTo(sum, 4)
    }
  })

  it('reduces by shuffles, in whole warps and others', () => {
    for (const size of [32, 64, 20, 45, 96]) {
      const kernel = buildKernel({ name: 'reduce', workgroup: [size, 1, 1] }, (b) => {
        const [x, out, lanes] = [b.storage('x', 'f32'), b.storage('out', 'f32'), b.storage('lanes', 'i32')]
        const t = b.localIndex()
        const value = b.load(x, t)
        const results = [b.subgroup('add', value), b.subgroup('max', value), b.subgroup('min', value)]
        results.forEach((result, i) => b.store(out, t.mul(3).add(i), result))
        const lane = b.let('lane', b.subgroupLane().bits('i32').sub(7))
        b.store(lanes, t, b.subgroup('add', lane).mul(1000).add(b.subgroup('min', lane)))
      })
      const [x, out, lanes] = [ramp(size, 0.9), unwritten(size * 3), new Int32Array(size)]
      launch(kernel, [x, out, lanes], { order })
      for (let t = 0; t < size; t++) {
        const warp = x.slice(t & ~31, Math.min(size, (t & ~31) + 32))
        expect(out[t * 3]!).toBeCloseTo(
          warp.reduce((a, b) => a + b, 0),
          5,
        )
        expect([out[t * 3 + 1], out[t * 3 + 2]]).toEqual([Math.max(...warp), Math.min(...warp)])
        expect(lanes[t]).toBe(warp.length * (warp.length - 1) * 500 - 7000 * warp.length + -7)
      }
    }
  })

  it('exchanges between lanes', () => {
    const kernel = buildKernel({ name: 'exchange' }, (b) => {
      const out = b.storage('out', 'u32')
      const t = b.localIndex()
      b.store(out, t, b.subgroup('shuffleXor', t.mul(3), 5))
    })
    const out = new Uint32Array(64)
    launch(kernel, [out], { order })
    expect([...out]).toEqual(Array.from({ length: 64 }, (_, t) => (t ^ 5) * 3))
  })

  it('counts by atomic additions', () => {
    const kernel = buildKernel({ name: 'histogram' }, (b) => {
      const x = b.storage('x', 'u32')
      const counts = b.storage('counts', 'u32', { atomic: true })
      const signed = b.storage('signed', 'i32', { atomic: true })
      const i = b.globalId(0)
      b.atomicAdd(counts, b.load(x, i).and(7), u32(1))
      b.atomicAdd(signed, u32(0), i32(-3))
      b.if(b.load(counts, u32(0)).gt(1000), () => b.atomicAdd(signed, u32(1), i32(1)))
    })
    const x = Uint32Array.from({ length: 256 }, (_, i) => i * i)
    const [counts, signed] = [new Uint32Array(8), new Int32Array(2)]
    launch(kernel, [x, counts, signed], { order, grid: [4, 1, 1] })
    const expected = new Uint32Array(8)
    x.forEach((value) => expected[value & 7]!++)
    expect([...counts]).toEqual([...expected])
    expect([...signed]).toEqual([-768, 0])
  })

  it('computes with halves, rounded at each step', () => {
    const kernel = buildKernel({ name: 'halves' }, (b) => {
      const [x, y, out] = [b.storage('x', 'f16', { lanes: 4 }), b.storage('y', 'f16', { lanes: 4 }), b.storage('out', 'f16', { lanes: 4 })]
      const i = b.globalId(0)
      const [u, v] = [b.load(x, i), b.load(y, i)]
      b.store(out, i, u.mul(v).add(u).div(3))
    })
    const [x, y] = [0.37, 0.73].map((step) => Uint16Array.from(ramp(256, step), (value) => toHalfBits(value * 100))) as [
      Uint16Array,
      Uint16Array,
    ]
    const out = new Uint16Array(256)
    launch(kernel, [x, y, out], { order })
    const half = (value: number): number => fromHalfBits(toHalfBits(value))
    const expected = Array.from(x, (bits, i) => {
      const [u, v] = [fromHalfBits(bits), fromHalfBits(y[i]!)]
      return toHalfBits(half(half(u * v) + u) / 3)
    })
    expect([...out]).toEqual(expected)
  })

  it('moves vectors, and their lanes within a variable', () => {
    const kernel = buildKernel({ name: 'vectors', workgroup: [8, 1, 1] }, (b) => {
      const [x, pairs, out] = [
        b.storage('x', 'f32', { lanes: 4 }),
        b.storage('pairs', 'u32', { lanes: 2 }),
        b.storage('out', 'f32', { lanes: 4 }),
      ]
      const i = b.globalId(0)
      const value = b.var('value', b.load(x, i))
      b.for('turn', u32(0), b.load(pairs, i).lane(1), 1, () => {
        const v = value.value
        value.set(vector(v.lane(3), v.lane(0), v.lane(1), v.lane(2)))
      })
      b.store(out, i, value.value.mul(2))
      b.store(pairs, i, vector(i, b.load(pairs, i).lane(0)))
    })
    const x = Float32Array.from({ length: 32 }, (_, i) => i)
    const [pairs, out] = [Uint32Array.from({ length: 16 }, (_, i) => i), unwritten(32)]
    launch(kernel, [x, pairs, out], { order })
    for (let i = 0; i < 8; i++) {
      const turns = 2 * i + 1
      expect([...out.slice(i * 4, i * 4 + 4)]).toEqual([0, 1, 2, 3].map((lane) => (i * 4 + ((((lane - turns) % 4) + 4) % 4)) * 2))
      expect([...pairs.slice(i * 2, i * 2 + 2)]).toEqual([i, i * 2])
    }
  })

  it('runs nested loops and branches', () => {
    const kernel = buildKernel({ name: 'loops', workgroup: [16, 1, 1] }, (b) => {
      const out = b.storage('out', 'i32')
      const t = b.localIndex()
      const sum = b.var('sum', i32(0))
      const end = b.var('end', t)
      b.for('i', u32(0), end.value, 1, (i) => {
        end.set(0)
        b.for('j', i.bits('i32'), 5, 2, (j) => {
          b.if(
            j.rem(3).eq(0),
            () => b.if(i.and(1).eq(1), () => sum.set(sum.value.add(100))),
            () => sum.set(sum.value.sub(j)),
          )
        })
      })
      b.store(out, t, sum.value)
    })
    const out = new Int32Array(16)
    launch(kernel, [out], { order })
    const expected = Array.from({ length: 16 }, (_, t) => {
      let sum = 0
      for (let i = 0; i < t; i++)
        for (let j = i; j < 5; j += 2) {
          if (j % 3 === 0) {
            if ((i & 1) === 1) sum += 100
          } else sum -= j
        }
      return sum
    })
    expect([...out]).toEqual(expected)
  })

  it('knows where a thread is', () => {
    const kernel = buildKernel({ name: 'places', workgroup: [4, 3, 2] }, (b) => {
      const out = b.storage('out', 'u32')
      const group = b.workgroupId(2).mul(b.workgroups(1)).add(b.workgroupId(1)).mul(b.workgroups(0)).add(b.workgroupId(0))
      const at = b.let('at', group.mul(24).add(b.localIndex()).mul(7))
      ;[b.globalId(0), b.globalId(1), b.globalId(2), b.localId(0), b.localId(1), b.localId(2), b.subgroupLane()].forEach((value, i) =>
        b.store(out, at.add(i), value),
      )
    })
    const out = new Uint32Array(2 * 3 * 2 * 24 * 7)
    launch(kernel, [out], { order, grid: [2, 3, 2] })
    let at = 0
    for (let z = 0; z < 2; z++)
      for (let y = 0; y < 3; y++)
        for (let x = 0; x < 2; x++)
          for (let t = 0; t < 24; t++) {
            const [i, j, k] = [t % 4, Math.floor(t / 4) % 3, Math.floor(t / 12)]
            expect([...out.slice(at, at + 7)]).toEqual([x * 4 + i, y * 3 + j, z * 2 + k, i, j, k, t])
            at += 7
          }
  })
})

/** Applies a function of one float to many. */
function apply(x: Float32Array, f: (x: Expr, b: KernelBuilder) => Expr, options: KernelLaunch = {}): Float32Array {
  const kernel = buildKernel({ name: 'apply' }, (b) => {
    const [from, to] = [b.storage('from', 'f32'), b.storage('to', 'f32')]
    const i = b.globalId(0)
    b.if(i.lt(x.length), () => b.store(to, i, f(b.load(from, i), b)))
  })
  const out = unwritten(x.length)
  launch(kernel, [x, out], { grid: [Math.ceil(x.length / 64), 1, 1], ...options })
  return out
}

const ulp = (value: number): number => Math.max(2 ** -149, 2 ** (Math.floor(Math.log2(Math.abs(value) || 2 ** -149)) - 23))
const spread = (low: number, high: number, count = 4000): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1))

describe('functions', () => {
  const around1 = Float32Array.from({ length: 2000 }, (_, i) => 1 + (i - 1000) * 2 ** -18)
  const sizes = Float32Array.from({ length: 2000 }, (_, i) => 2 ** ((i - 1070) / 8))
  const cases: readonly (readonly [UnaryOp, (x: number) => number, Float32Array, number])[] = [
    ['exp', Math.exp, spread(-86, 88.7), 6],
    ['exp', Math.exp, spread(-103, 1), 6],
    ['exp2', (x) => 2 ** x, spread(-140, 127), 5],
    ['log', Math.log, around1, 3],
    ['log', Math.log, sizes, 3],
    ['log2', Math.log2, around1, 4],
    ['log2', Math.log2, sizes, 4],
    ['tanh', Math.tanh, spread(-12, 12), 6],
    ['tanh', Math.tanh, spread(-0.4, 0.4), 6],
    ['sin', Math.sin, spread(-7, 7), 6],
    ['cos', Math.cos, spread(-7, 7), 6],
    ['sqrt', Math.sqrt, sizes, 0.5],
    ['rsqrt', (x) => 1 / Math.sqrt(x), sizes.filter((x) => x > 2 ** -100), 3],
    ['floor', Math.floor, spread(-5, 5), 0],
    ['ceil', Math.ceil, spread(-5, 5), 0],
    ['trunc', Math.trunc, spread(-5, 5), 0],
    ['round', (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)), spread(-5, 5, 41), 0],
  ]
  it.each(cases)('%s stays within some units in the last place, with the error of the hardware', (op, exact, x, limit) => {
    for (const approximations of ['rounded', 'perturbed'] as const) {
      const out = apply(x, (value) => value.unary(op), { approximations })
      // Sums of terms that cancel are compared with units of 1: sine near multiples of π.
      const floor = op === 'sin' || op === 'cos' ? 2 ** -26 : 0
      let worst = 0
      out.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - exact(x[i]!)) / Math.max(ulp(exact(x[i]!)), floor))))
      expect(worst).toBeLessThanOrEqual(limit)
    }
  })

  it('keeps infinities and NaN where they belong', () => {
    const x = Float32Array.of(NaN, Infinity, -Infinity, 0, -0, -1, 3.4e38, -3.4e38, 1e-45)
    const of = (op: UnaryOp): number[] => [...apply(x, (value) => value.unary(op))]
    expect(of('exp')).toEqual([NaN, Infinity, 0, 1, 1, Math.fround(Math.exp(-1)), Infinity, 0, 1])
    expect(of('log').slice(0, 6)).toEqual([NaN, Infinity, NaN, -Infinity, -Infinity, NaN])
    expect(of('tanh').slice(0, 5)).toEqual([NaN, 1, -1, 0, -0])
    expect(of('sin').slice(0, 4)).toEqual([NaN, NaN, NaN, 0])
    expect(of('sqrt').slice(0, 6)).toEqual([NaN, Infinity, NaN, 0, -0, NaN])
  })

  it('divides and takes remainders', () => {
    const x = Float32Array.from({ length: 3000 }, (_, i) => Math.fround(Math.sin(i) * 10 ** ((i % 12) - 4)))
    for (const divisor of [0.1, 3, -0.7, 1e-3]) {
      const y = Math.fround(divisor)
      expect(apply(x, (value) => value.div(y))).toEqual(x.map((value) => value / y))
      const near = x.filter((value) => Math.abs(value / y) < 2 ** 23)
      expect(apply(near, (value) => value.rem(y))).toEqual(near.map((value) => value % y))
    }
  })

  it('converts, clamps and wraps', () => {
    const x = Float32Array.of(1.9, -1.9, 3e9, -3e9, 5e9, NaN, 0, -0, 0.1)
    const kernel = buildKernel({ name: 'convert', workgroup: [9, 1, 1] }, (b) => {
      const [from, signed, unsigned, truth] = [
        b.storage('from', 'f32'),
        b.storage('signed', 'i32'),
        b.storage('unsigned', 'u32'),
        b.storage('truth', 'u32'),
      ]
      const i = b.localIndex()
      const value = b.load(from, i)
      b.store(signed, i, value.to('i32'))
      b.store(unsigned, i, value.to('u32'))
      b.store(truth, i, value.to('bool').to('u32').add(value.to('f16').to('bool').to('u32').mul(2)))
    })
    const [signed, unsigned, truth] = [new Int32Array(9), new Uint32Array(9), new Uint32Array(9)]
    launch(kernel, [x, signed, unsigned, truth], {})
    expect([...signed]).toEqual([1, -1, 2147483647, -2147483648, 2147483647, 0, 0, 0, 0])
    expect([...unsigned]).toEqual([1, 0, 3000000000, 0, 4294967295, 0, 0, 0, 0])
    expect([...truth]).toEqual([3, 3, 3, 3, 3, 3, 0, 0, 3])
  })

  it('does whole numbers as the kernel language says', () => {
    const pairs = [7, -7, 0, 1, -1, 2147483647, -2147483648, 33].flatMap((a) =>
      [3, -3, 1, 2147483647, 31, 32, 40].map((b) => [a, b] as const),
    )
    const signedOps = ['add', 'sub', 'mul', 'div', 'rem', 'min', 'max', 'and', 'or', 'xor', 'shl', 'shr'] as const
    const exact: Record<(typeof signedOps)[number], (a: number, b: number, unsigned: boolean) => number> = {
      add: (a, b) => a + b,
      sub: (a, b) => a - b,
      mul: (a, b) => Math.imul(a, b),
      div: (a, b) => Math.trunc(a / b),
      rem: (a, b) => a % b,
      min: (a, b) => Math.min(a, b),
      max: (a, b) => Math.max(a, b),
      and: (a, b) => a & b,
      or: (a, b) => a | b,
      xor: (a, b) => a ^ b,
      shl: (a, b) => a << (b & 31),
      shr: (a, b, unsigned) => (unsigned ? a >>> (b & 31) : a >> (b & 31)),
    }
    for (const scalar of ['i32', 'u32'] as const) {
      const kernel = buildKernel({ name: 'whole' }, (b) => {
        const [x, y, out] = [b.storage('x', scalar), b.storage('y', scalar), b.storage('out', scalar)]
        const i = b.localIndex()
        b.if(i.lt(pairs.length), () => {
          const [u, v] = [b.load(x, i), b.load(y, i)]
          signedOps.forEach((op, k) => b.store(out, i.mul(signedOps.length).add(k), u[op](v)))
        })
      })
      const [x, y] = [0, 1].map((which) => Int32Array.from(pairs, (pair) => pair[which]!)) as [Int32Array, Int32Array]
      const out = new Int32Array(pairs.length * signedOps.length)
      launch(kernel, [x, y, out], {})
      pairs.forEach(([a, b], i) =>
        signedOps.forEach((op, k) => {
          const unsigned = scalar === 'u32'
          const [u, v] = unsigned ? [a >>> 0, b >>> 0] : [a, b]
          expect([op, a, b, out[i * signedOps.length + k]]).toEqual([op, a, b, exact[op](u, v, unsigned) | 0])
        }),
      )
    }
  })

  it('compares, with NaN unequal to all', () => {
    const x = Float32Array.of(1, 2, NaN, -0)
    const out = apply(x, (value, b) => {
      const other = b.let('other', value.eq(2).select(f32(1), value))
      const bits = [value.eq(other), value.ne(other), value.lt(other), value.ge(1), value.le(0), value.gt(other)]
      return bits.reduce((sum, bit, i) => sum.add(bit.select(f32(2 ** i), 0)), f32(0))
    })
    expect([...out]).toEqual([1 + 8, 2 + 8 + 32, 2, 1 + 16])
    const halves = apply(Float32Array.of(0.1, 70000), (value) => value.to('f16').add(constant(0, 'f16')).to('f32'))
    expect([...halves]).toEqual([fromHalfBits(toHalfBits(0.1)), Infinity])
  })
})
