import { describe, expect, it } from 'vitest'
import { buildKernel, f32, i32, u32, type KernelBuilder } from './builder.js'
import { constant, unaryOps, vector, type Expr, type Kernel, type KernelCaps, type Lanes, type Scalar } from './ir.js'
import { dynamicSharedBytes, printPtx, ptxTargetOf, ptxTargets } from './print-ptx.js'
import { assemble, findPtxas, joinModules, noPtxas } from './testing/ptxas.js'
import { rowSums } from './testing/row-sums.js'
import { verifyKernel } from './verify.js'

const caps: KernelCaps = {
  f16: true,
  subgroups: true,
  sharedBytes: 160 * 1024,
  maxInvocations: 1024,
  maxWorkgroup: [1024, 1024, 64],
  maxBindings: 32,
}

/** Every operator of a type, with values from memory so that nothing can be left out. */
const operators = (scalar: Exclude<Scalar, 'bool'>, lanes: Lanes): Kernel =>
  buildKernel({ name: `operators_${scalar}_${lanes}` }, (b) => {
    const x = b.storage('x', scalar, { lanes })
    const y = b.storage('y', scalar, { lanes })
    const out = b.storage('out', scalar, { lanes })
    const at = b.globalId(0)
    const [u, v] = [b.load(x, at), b.load(y, at.bits('i32'))]
    let count = 0
    const keep = (value: Expr): void => b.store(out, at.mul(100).add(count++), value)
    const real = scalar === 'f32' || scalar === 'f16'
    for (const op of ['add', 'sub', 'mul', 'div', ...(real ? (['quotient'] as const) : []), 'rem', 'min', 'max'] as const) {
      keep(u[op](v))
      keep(u.like(3)[op](v))
      keep(u[op](3))
      keep(u.like(7)[op](2))
    }
    if (!real) for (const op of ['and', 'or', 'xor', 'shl', 'shr'] as const) keep(u[op](v).add(u[op](3)).add(u.like(9)[op](2)))
    for (const op of unaryOps)
      if (real ? op !== 'not' : op === 'not' || (scalar === 'i32' && (op === 'neg' || op === 'abs'))) keep(u.unary(op))
    if (real) keep(u.fma(v, 2).fma(3, v))
    for (const op of ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const) keep(u[op](v).and(u[op](5)).select(u, 1))
    const truth = u.lt(v).xor(u.eq(v)).or(u.ge(v).not()).eq(u.ne(v)).ne(u.eq(1))
    keep(truth.select(truth.select(u.lt(3), u.gt(4)).select(u, v), 0))
    for (const to of ['f32', 'f16', 'i32', 'u32', 'bool'] as const) {
      keep(u.to(to).to(scalar))
      keep(u.like(5).to(to).to(scalar))
      keep(truth.to(to).to(scalar))
    }
    if (scalar !== 'f16')
      for (const to of ['f32', 'i32', 'u32'] as const) keep(u.bits(to).bits(scalar).add(u.like(5).bits(to).bits(scalar)))
    if (lanes === 1) {
      for (const op of ['add', 'min', 'max'] as const) keep(b.subgroup(op, u))
      keep(b.subgroup('shuffleXor', u.like(2), 8))
    }
    const cell = b.var('cell', u)
    if (lanes === 4) cell.set(vector(cell.value.lane(1), cell.value.lane(0), cell.value.lane(3), cell.value.lane(2)))
    else cell.set(cell.value.add(1))
    keep(cell.value)
  })

/** All that says where a thread is, on a workgroup that is not a whole number of warps. */
const places = (workgroup: readonly [number, number, number]): Kernel =>
  buildKernel({ name: `places_${workgroup.join('_')}`, workgroup }, (b) => {
    const out = b.storage('out', 'u32')
    const seen = b.storage('seen', 'i32', { atomic: true })
    for (const axis of [0, 1, 2] as const)
      for (const value of [b.globalId(axis), b.localId(axis), b.workgroupId(axis), b.workgroups(axis)]) b.store(out, b.localIndex(), value)
    b.store(out, b.subgroup('add', b.subgroupLane()), b.subgroup('shuffleXor', b.localIndex(), 1))
    b.store(out, u32(4), b.subgroup('max', b.load(seen, i32(-2))).bits('u32'))
    b.atomicAdd(seen, b.localIndex(), i32(-1))
    b.store(out, u32(5), b.subgroup('min', b.globalId(0).to('f32')).to('u32'))
  })

const shared = (length: number): Kernel =>
  buildKernel({ name: `shared_${length}` }, (b) => {
    const out = b.storage('out', 'f16', { lanes: 4 })
    const tile = b.sharedArray('tile', 'f16', length, 4)
    const words = b.sharedArray('words', 'u32', 3)
    const at = b.localIndex()
    b.store(tile, at, vector(...[1, 2, 3, 4].map((value) => constant(value, 'f16'))))
    b.store(words, u32(2), at)
    b.barrier()
    b.store(out, at, b.load(tile, at.xor(1)))
    b.store(out, b.load(words, u32(2)), b.load(tile, u32(3)))
  })

const everything: readonly Kernel[] = [
  rowSums,
  ...(['f32', 'f16', 'i32', 'u32'] as const).flatMap((scalar) => ([1, 2, 4] as const).map((lanes) => operators(scalar, lanes))),
  places([7, 3, 2]),
  places([32, 2, 4]),
  places([20, 1, 1]),
  shared(64),
  shared(8192),
]

it('prints statements, arrays, numbers and shared memory', () => {
  verifyKernel(rowSums, caps)
  expect(printPtx(rowSums, { target: 'sm_75' })).toMatchInlineSnapshot(`
    ".version 7.0
    .target sm_75
    .address_size 64
    .visible .entry row_sums(.param .u64 x_0, .param .u64 sums_0, .param .u64 seen_0, .param .u64 numbers)
    .reqntid 32, 1, 1
    {
      .shared .align 16 .b8 part_0[128];
      .reg .b32 %r<17>;
      .reg .f32 %f<11>;
      .reg .pred %p<5>;
      .reg .b64 %rd<11>;
      ld.param.u64 %rd1, [numbers];
      cvta.to.global.u64 %rd2, %rd1;
      ld.global.u32 %r1, [%rd2+0];
      mov.u32 %r2, %tid.x;
      ld.param.u64 %rd3, [x_0];
      cvta.to.global.u64 %rd4, %rd3;
      mov.u32 %r4, %ctaid.x;
      ld.global.f32 %f3, [%rd2+4];
      ld.param.u64 %rd6, [seen_0];
      cvta.to.global.u64 %rd7, %rd6;
      mov.b32 %r7, part_0;
      ld.param.u64 %rd8, [sums_0];
      cvta.to.global.u64 %rd9, %rd8;
      mov.f32 %f1, 0f00000000;
      mov.b32 %r3, %r2;
    $L_1:
      setp.lt.u32 %p1, %r3, %r1;
      @!%p1 bra $L_2;
      mul.lo.u32 %r5, %r4, %r1;
      add.u32 %r6, %r5, %r3;
      mad.wide.u32 %rd5, %r6, 4, %rd4;
      ld.global.f32 %f2, [%rd5];
      fma.rn.f32 %f4, %f2, %f3, %f1;
      mov.f32 %f1, %f4;
      red.global.add.u32 [%rd7+0], 1;
      add.u32 %r3, %r3, 32;
      bra $L_1;
    $L_2:
      mad.lo.u32 %r8, %r2, 4, %r7;
      st.shared.f32 [%r8], %f1;
      bar.sync 0;
      mov.b32 %r9, 0;
    $L_3:
      setp.lt.u32 %p2, %r9, 4;
      @!%p2 bra $L_4;
      and.b32 %r10, %r9, 31;
      shr.u32 %r11, 16, %r10;
      setp.lt.u32 %p3, %r2, %r11;
      @!%p3 bra $L_5;
      mad.lo.u32 %r12, %r2, 4, %r7;
      ld.shared.f32 %f5, [%r12];
      add.u32 %r13, %r2, %r11;
      mad.lo.u32 %r14, %r13, 4, %r7;
      ld.shared.f32 %f6, [%r14];
      add.rn.f32 %f7, %f5, %f6;
      mad.lo.u32 %r15, %r2, 4, %r7;
      st.shared.f32 [%r15], %f7;
    $L_5:
      bar.sync 0;
      add.u32 %r9, %r9, 1;
      bra $L_3;
    $L_4:
      setp.eq.u32 %p4, %r2, 0;
      @!%p4 bra $L_6;
      ld.shared.f32 %f8, [part_0+0];
      ld.shared.f32 %f9, [part_0+4];
      add.rn.f32 %f10, %f8, %f9;
      mad.wide.u32 %rd10, %r4, 4, %rd9;
      st.global.f32 [%rd10], %f10;
      bra $L_7;
    $L_6:
      mad.lo.u32 %r16, %r2, 4, %r7;
      st.shared.f32 [%r16], 0f00000000;
    $L_7:
      ret;
    }
    "
  `)
})

it('prints constants by their bits', () => {
  const kernel = buildKernel({ name: 'constants' }, (b) => {
    const cell = (value: Expr) => b.var('x', value)
    for (const value of [0, -0, -2.5, 1e-45, 0.1, Infinity, NaN]) cell(f32(value))
    for (const value of [-2147483648, -1]) cell(i32(value))
    cell(u32(4294967295))
    for (const value of [0.1, 65519, 65520]) cell(constant(value, 'f16'))
    cell(constant(true, 'bool'))
  })
  const moves = printPtx(kernel, { target: 'sm_90' })
    .split('\n')
    .filter((line) => line.includes('mov'))
  expect(moves.map((line) => line.trim())).toMatchInlineSnapshot(`
    [
      "mov.f32 %f1, 0f00000000;",
      "mov.f32 %f2, 0f80000000;",
      "mov.f32 %f3, 0fC0200000;",
      "mov.f32 %f4, 0f00000001;",
      "mov.f32 %f5, 0f3DCCCCCD;",
      "mov.f32 %f6, 0f7F800000;",
      "mov.f32 %f7, 0f7FC00000;",
      "mov.b32 %r1, -2147483648;",
      "mov.b32 %r2, -1;",
      "mov.b32 %r3, 4294967295;",
      "mov.f32 %f8, 0f3DCCC000;",
      "mov.f32 %f9, 0f477FE000;",
      "mov.f32 %f10, 0f7F800000;",
      "mov.pred %p1, 1;",
      "mov.pred %p2, %p1;",
    ]
  `)
})

it('begins modules with the version that knows the target', () => {
  const heads = ptxTargets.map((target) => printPtx(rowSums, { target }).split('\n').slice(0, 2).join(' '))
  expect(heads).toEqual([
    '.version 7.0 .target sm_75',
    '.version 7.0 .target sm_80',
    '.version 7.1 .target sm_86',
    '.version 7.8 .target sm_89',
    '.version 7.8 .target sm_90',
  ])
  expect([ptxTargetOf(7, 0), ptxTargetOf(7, 5), ptxTargetOf(8, 6), ptxTargetOf(8, 7), ptxTargetOf(12, 0)]).toEqual([
    undefined,
    'sm_75',
    'sm_86',
    'sm_86',
    'sm_90',
  ])
})

it('takes shared memory above 48 KiB from the launch', () => {
  expect(dynamicSharedBytes(shared(64))).toBe(0)
  expect(dynamicSharedBytes(shared(8192))).toBe(8192 * 8 + 16)
  const text = printPtx(shared(8192), { target: 'sm_80' })
  expect(text).toContain('.extern .shared .align 16 .b8 shared_memory[];')
  expect(text).toContain('add.u32')
})

it('refuses names and targets that PTX has not', () => {
  expect(() => printPtx({ ...rowSums, name: 'row sums' }, { target: 'sm_75' })).toThrow(/'row sums' is no name/)
  expect(() => printPtx(rowSums, { target: 'sm_20' as 'sm_75' })).toThrow(/not printed for sm_20; expected one of sm_75/)
})

it('keeps what a variable was when it is named, and the end of a loop as it was', () => {
  const text = (build: (b: KernelBuilder) => void): string => printPtx(buildKernel({ name: 'copies' }, build), { target: 'sm_75' })
  const named = text((b) => {
    const cell = b.var('cell', u32(1))
    const before = b.let('before', cell.value)
    cell.set(2)
    b.store(b.storage('out', 'u32'), u32(0), before)
  })
  expect(named).toContain('mov.b32 %r2, %r1;\n  mov.b32 %r1, 2;\n  st.global.u32 [%rd2+0], %r2;')
  const loop = text((b) => {
    const end = b.var('end', u32(5))
    b.for('i', u32(0), end.value, 1, () => end.set(end.value.add(1)))
  })
  expect(loop).toMatch(/mov.b32 %r2, %r1;\n {2}mov.b32 %r3, 0;\n\$L_1:\n {2}setp.lt.u32 %p1, %r3, %r2;/)
})

describe('ptxas', () => {
  const ptxas = findPtxas()
  it.skipIf(ptxas === undefined).each(['sm_75', 'sm_80', 'sm_90'] as const)(
    `takes every construct for %s${ptxas === undefined ? ` (${noPtxas})` : ''}`,
    (target) => {
      for (const kernel of everything) verifyKernel(kernel, caps)
      const { errors, entries } = assemble(ptxas!, joinModules(everything.map((kernel) => printPtx(kernel, { target }))), target)
      expect(errors).toEqual([])
      expect(entries.map(({ name }) => name).sort()).toEqual(everything.map(({ name }, i) => `${name}_${i}`).sort())
      expect(entries.filter(({ spillStores }) => spillStores > 0)).toEqual([])
    },
  )

  it.skipIf(ptxas === undefined)('says what is wrong', () => {
    const text = printPtx(rowSums, { target: 'sm_75' }).replace('fma.rn.f32', 'fma.rn.f31')
    expect(assemble(ptxas!, text, 'sm_75').errors.join()).toMatch(/error.*f31/)
  })
})
