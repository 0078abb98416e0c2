/** Kernels with one thing made wrong. Each has to be noticed: by what the emulator says, or by a result that differs in at least one order of threads. */
import { expect, it } from 'vitest'
import { toHalfBits } from '../../../dtype.js'
import { buildKernel, f32, u32 } from '../../../kernel/builder.js'
import { printPtx } from '../../../kernel/print-ptx.js'
import { gemm } from './__fixtures__/gemm.js'
import { launchPtx } from './launch-ptx.js'
import { change, remove } from './mutate.js'

const ramp = (count: number, step: number): number[] => Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i * step + 1)))

/** Reverses 64 numbers through shared memory, and adds to each what the warp's sum is. */
const reverse = buildKernel({ name: 'reverse', workgroup: [64, 1, 1] }, (b) => {
  const [x, out] = [b.storage('x', 'f32'), b.storage('out', 'f32')]
  const count = b.uniform('count')
  const tile = b.sharedArray('tile', 'f32', 64)
  const t = b.localIndex()
  const i = b.globalId(0)
  const value = b.var('value', f32(0))
  b.if(i.lt(count), () => value.set(b.load(x, i)))
  b.store(tile, t, value.value)
  b.barrier()
  const other = b.load(tile, u32(63).sub(t))
  const sum = b.subgroup('add', value.value)
  b.barrier()
  b.store(tile, t, other.mul(2))
  b.barrier()
  b.if(i.lt(count), () =>
    b.store(
      out,
      i,
      b
        .load(tile, t)
        .add(b.load(tile, t.xor(1)))
        .add(sum),
    ),
  )
})

interface Subject {
  readonly text: string
  readonly run: (text: string, order: 'forward' | 'reverse' | 'random') => Float32Array
}

const COUNT = 100
const subjects: Readonly<Record<'reverse' | 'gemm', Subject>> = {
  reverse: {
    text: printPtx(reverse, { target: 'sm_80' }),
    run(text, order) {
      const out = new Float32Array(COUNT)
      launchPtx(text, [64, 1, 1], [Float32Array.from(ramp(COUNT, 0.3)), out, Uint32Array.of(COUNT)], {
        order,
        grid: [2, 1, 1],
        maxTurns: 10_000,
      })
      return out
    },
  },
  gemm: {
    text: gemm,
    run(text, order) {
      const k = 48
      const [a, b] = [ramp(32 * k, 0.3), ramp(k * 8, 0.7)].map((values) => Uint16Array.from(values, toHalfBits)) as [
        Uint16Array,
        Uint16Array,
      ]
      const out = new Float32Array(32 * 8)
      launchPtx(text, [32, 1, 1], [a, b, out, Uint32Array.of(k)], { order, grid: [2, 1, 1], maxTurns: 10_000 })
      return out
    },
  },
}

/** The size of an element in an address. */
const stride = (instruction: string): RegExp => new RegExp(`(?<=${instruction}\\.u32 [^;]*, )4(?=,)`, 'g')

const mutations: readonly (readonly [string, keyof typeof subjects, (text: string) => string, RegExp | 'result'])[] = [
  [
    'the barrier before a read is gone',
    'reverse',
    remove('bar.sync 0;', 0),
    /ld\.shared.*of tile_0 was written by (no thread of the block|thread \d+ at line \d+)/,
  ],
  [
    'the barrier before a write is gone',
    'reverse',
    remove('bar.sync 0;', 1),
    /st\.shared.*was read by thread \d+, and no barrier stands between/,
  ],
  ['the last barrier is gone', 'reverse', remove('bar.sync 0;', 2), /and no barrier stands between/],
  [
    'threads without an element leave before a barrier',
    'reverse',
    change('bar.sync 0;', '@!%p1 ret; bar.sync 0;', 1),
    /block \(1, 0, 0\).*waits at the barrier of line \d+, thread \d+ has ended/,
  ],
  ['a store is gone', 'reverse', remove(/st\.shared\.f32[^;]+;/g, 0), /written by no thread of the block/],
  [
    'a mask of half a warp',
    'reverse',
    change('0xffffffff', '0x0000ffff', 0),
    /reads lane \d+, which takes no part: the mask is 0xffff|is without the lane itself/,
  ],
  ['a shuffle by the wrong distance', 'reverse', change(', 16, 31, 0xffffffff', ', 3, 31, 0xffffffff', 0), 'result'],
  [
    'a shuffle that only some lanes reach',
    'reverse',
    change(/(?<=\n\s+)shfl/g, '@%p1 shfl', 0),
    /block \(1, 0, 0\): nothing goes on: .*shfl/,
  ],
  [
    'the wrong stride in memory',
    'reverse',
    change(stride('mad\\.wide'), '8', 0),
    /ld\.global.*bytes (past the end of|before) allocation \d of/,
  ],
  ['the tail is not left out', 'reverse', remove(/@!%p\d+ bra \$L_1;/g), /past the end of allocation 1 of 400 bytes/],
  ['the wrong stride in shared memory', 'reverse', change(stride('mad\\.lo'), '2', 0), /no multiple of 4|and no barrier stands between/],
  ['shared memory is too short', 'reverse', change('tile_0[256]', 'tile_0[192]'), /is in no array: byte \d+ of tile_0/],
  ['a product is a sum', 'reverse', change('mul.rn.f32', 'add.rn.f32'), 'result'],
  ['a loop without an end', 'reverse', change('ret;', 'AGAIN: bra AGAIN; ret;'), /a loop went on for 10000 turns/],
  [
    'copies are not waited for',
    'gemm',
    remove('cp.async.wait_group 1;'),
    /ldmatrix.*being filled by the cp\.async of line \d+, which nothing waited for/,
  ],
  ['one group too few is waited for', 'gemm', change('wait_group 1', 'wait_group 2'), /which nothing waited for/],
  ['copies are in no group', 'gemm', remove('cp.async.commit_group;', 1), /which nothing waited for/],
  [
    'others read copies before the barrier',
    'gemm',
    remove('bar.sync 0;', 0),
    /was written by thread \d+ at line \d+, and no barrier stands between/,
  ],
  [
    'copies begin while others read',
    'gemm',
    remove('bar.sync 0;', 1),
    /cp\.async.*was read by (thread \d+|other threads), and no barrier stands between/,
  ],
  ['both buffers are one', 'gemm', change('mad.lo.u32 %r18, %r17, 512, %r8', 'mov.b32 %r18, %r8'), /being filled by the cp\.async/],
  ['matrices are not transposed', 'gemm', remove('.trans'), 'result'],
  ['rows of A are swapped', 'gemm', change('{%r22, %r23, %r24, %r25}, {%r26', '{%r22, %r24, %r23, %r25}, {%r26'), 'result'],
  [
    'a row of matrices that is not aligned',
    'gemm',
    change('%r13, %r10, 16, %r13', '%r13, %r10, 8, %r13'),
    /row address \d+ is no multiple of 16/,
  ],
  ['columns of C are swapped', 'gemm', change('{%f1, %f2};', '{%f2, %f1};'), 'result'],
  ['a tile behind the last is copied', 'gemm', remove('@%p2 bra LAST;'), /cp\.async.*past the end of allocation \d of (3072|768) bytes/],
  [
    'copies to addresses that are not aligned',
    'gemm',
    change('%r8, %r2, 16, %r8', '%r8, %r2, 8, %r8'),
    /shared address \d+ is no multiple of 16|being filled/,
  ],
]

it.each(Object.entries(subjects))('%s is in order in every order of threads', (_, { text, run }) => {
  const results = (['forward', 'reverse', 'random'] as const).map((order) => run(text, order))
  expect(results[1]).toEqual(results[0])
  expect(results[2]).toEqual(results[0])
  expect(results[0]!.every(Number.isFinite)).toBe(true)
})

it.each(mutations)('%s (%s)', (_, name, mutate, expected) => {
  const { text, run } = subjects[name]
  const right = run(text, 'forward')
  const wrong = mutate(text)
  for (const order of ['forward', 'reverse', 'random'] as const) {
    if (expected === 'result') expect(run(wrong, order)).not.toEqual(right)
    else expect(() => run(wrong, order), order).toThrow(expected)
  }
})
