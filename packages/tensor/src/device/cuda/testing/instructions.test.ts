/** Instructions written by hand, against what NVIDIA's "Parallel Thread Execution ISA" says of them. */
import { describe, expect, it } from 'vitest'
import { fromBfloatBits, fromHalfBits, toBfloatBits, toHalfBits } from '../../../dtype.js'
import { assemble, findPtxas } from '../../../kernel/testing/ptxas.js'
import { gemm } from './__fixtures__/gemm.js'
import { fma } from './arithmetic.js'
import { launchPtx, type LaunchOptions } from './launch-ptx.js'

const head = (threads: number, target = 'sm_80'): string => `.version 7.0
.target ${target}
.address_size 64
.visible .entry run(.param .u64 x, .param .u64 out)
.reqntid ${threads}, 1, 1
{
  .reg .b64 %rd<8>; .reg .b32 %r<40>; .reg .f32 %f<20>; .reg .pred %p<8>; .reg .b16 %h<10>;
  ld.param.u64 %rd1, [x];
  ld.param.u64 %rd2, [out];
  mov.u32 %r30, %tid.x;
`

/** Runs instructions in each of some threads: `%r1` to `%r4` are words of its own from `words`, `%r10` on its results. */
function run(
  body: string,
  words: readonly (readonly number[])[],
  results = 1,
  options: LaunchOptions & { readonly target?: string } = {},
): number[][] {
  const threads = words.length
  const text = `${head(threads, options.target)}
  mad.wide.u32 %rd3, %r30, 16, %rd1;
  ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd3];
  mad.wide.u32 %rd4, %r30, ${results * 4}, %rd2;
  ${body}
  ${Array.from({ length: results }, (_, i) => `st.global.u32 [%rd4+${i * 4}], %r${10 + i};`).join('\n')}
  ret;
}`
  const x = new Uint32Array(threads * 4)
  words.forEach((own, t) => own.forEach((word, i) => (x[t * 4 + i] = word)))
  const out = new Uint32Array(threads * results)
  launchPtx(text, [threads, 1, 1], [x, out], { checks: { global: true }, ...options })
  return words.map((_, t) => [...out.slice(t * results, (t + 1) * results)])
}
const one = (body: string, ...words: number[]): number => run(body, [words])[0]![0]!
const lanes = (f: (lane: number) => number): number[][] => Array.from({ length: 32 }, (_, lane) => [f(lane)])
const floatBits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!

describe('whole numbers', () => {
  it.each([
    ['bfe.u32 %r10, %r1, 4, 8;', [0xabcd1234], 0x23],
    ['bfe.s32 %r10, %r1, 28, 8;', [0xabcd1234], 0xfffffffa],
    ['bfe.s32 %r10, %r1, 8, 8;', [0x1280f0], 0xffffff80],
    ['bfe.u32 %r10, %r1, 40, 8;', [0xffffffff], 0],
    ['bfe.u32 %r10, %r1, 3, 0;', [0xffffffff], 0],
    ['bfe.u32 %r10, %r1, 0, 32;', [0xdeadbeef], 0xdeadbeef],
    ['bfi.b32 %r10, %r1, %r2, 8, 12;', [0xabcdef, 0x11111111], 0x111def11],
    ['prmt.b32 %r10, %r1, %r2, 0x5410;', [0x33221100, 0x77665544], 0x55441100],
    ['prmt.b32 %r10, %r1, %r2, 0x98ba;', [0x80221100, 0x77665580], 0x0000ff00],
    ['lop3.b32 %r10, %r1, %r2, %r3, 0x96;', [0xff00ff00, 0xf0f0f0f0, 0xcccccccc], 0xff00ff00 ^ 0xf0f0f0f0 ^ 0xcccccccc],
    ['lop3.b32 %r10, %r1, %r2, %r3, 0xe8;', [12, 10, 6], (12 & 10) | (12 & 6) | (10 & 6)],
    ['shf.l.wrap.b32 %r10, %r1, %r2, 8;', [0x11223344, 0xaabbccdd], 0xbbccdd11],
    ['shf.r.clamp.b32 %r10, %r1, %r2, 40;', [0x11223344, 0xaabbccdd], 0xaabbccdd],
    ['dp4a.s32.s32 %r10, %r1, %r2, %r3;', [0xff02fe03, 0x01020304, 100], 100 - 1 + 4 - 6 + 12],
    ['dp4a.u32.u32 %r10, %r1, %r2, %r3;', [0xff02fe03, 0x01020304, 100], 100 + 255 + 4 + 762 + 12],
    ['dp4a.u32.s32 %r10, %r1, %r2, %r3;', [0xff000000, 0xff000000, 0], -255],
    ['mul.hi.u32 %r10, %r1, %r2;', [0xffffffff, 0xfffffffe], 0xfffffffd],
    ['mul.hi.s32 %r10, %r1, %r2;', [-3, 5], -1],
    ['mul.lo.u32 %r10, %r1, %r2;', [0x12345678, 0x9abcdef1], Math.imul(0x12345678, 0x9abcdef1)],
    ['shl.b32 %r10, %r1, %r2;', [1, 32], 0],
    ['shr.s32 %r10, %r1, %r2;', [-5, 99], -1],
    ['popc.b32 %r10, %r1;', [0xf0f0f0f1], 17],
    ['clz.b32 %r10, %r1;', [0x00012345], 15],
    ['brev.b32 %r10, %r1;', [0x00000003], 0xc0000000],
    ['mul.wide.u32 %rd5, %r1, %r2; shr.u64 %rd5, %rd5, 4; cvt.u32.u64 %r10, %rd5;', [0x12345, 0x1000], 0x1234500],
    ['mul.wide.s32 %rd5, %r1, %r2; add.s64 %rd5, %rd5, 7; cvt.u32.u64 %r10, %rd5;', [-5, 3], -8],
    ['mov.b64 %rd5, {%r1, %r2}; mov.b64 {%r3, %r10}, %rd5;', [5, 77], 77],
    ['mov.b32 {%h1, %h2}, %r1; mov.b32 %r10, {%h2, %h1};', [0x12345678], 0x56781234],
    ['cvt.u16.u32 %h1, %r1; cvt.s32.s16 %r10, %h1;', [0x1ffff], -1],
    ['cvt.s8.s32 %h1, %r1; cvt.s32.s8 %r10, %h1;', [0x180], -128],
    ['setp.lt.s32 %p1|%p2, %r1, %r2; selp.b32 %r10, 1, 0, %p1; @%p2 add.u32 %r10, %r10, 2;', [-1, 1], 1],
    ['setp.gt.and.u32 %p1, %r1, %r2, %p2; setp.le.or.u32 %p1, %r2, %r1, %p1; selp.b32 %r10, 5, 6, %p1;', [9, 3], 5],
  ] as const)('%s', (body, words, expected) => {
    expect(one(body, ...words)).toBe(expected >>> 0)
  })

  it('refuses 64-bit arithmetic that JavaScript numbers do not hold, instead of rounding it', () => {
    expect(() => one('mul.wide.u32 %rd5, %r1, %r2; cvt.u32.u64 %r10, %rd5;', 0xffffffff, 0xffffffff)).toThrow(
      /line 15 .*needs more than the 53 bits/,
    )
    expect(() => one('mul.wide.s32 %rd5, %r1, 1; shr.u64 %rd5, %rd5, 1; cvt.u32.u64 %r10, %rd5;', -4)).toThrow(/without its sign/)
  })
})

describe('floats', () => {
  it('rounds a product and a sum once', () => {
    const cases = [
      [1 + 2 ** -23, 1 + 2 ** -23, -1],
      [1 + 2 ** -12, 1 + 2 ** -12, 2 ** -60],
      [1 + 2 ** -12, 1 - 2 ** -12, -1],
      [3, 1 / 3, 2 ** -30],
      [2 ** -100, 2 ** -49, 2 ** -149],
      [Infinity, 0, 1],
    ] as const
    for (const [a, b, c] of cases) {
      const [x, y, z] = [Math.fround(a), Math.fround(b), Math.fround(c)]
      // All bits of x·y + z as a whole number of units of 2^-298.
      const units = (value: number): bigint => BigInt(value * 2 ** 149 * 1) // exact: floats are whole numbers of 2^-149
      const exact = Number.isFinite(x) && Math.abs(x) < 2 ** 60 ? units(x) * units(y) + units(z) * 2n ** 149n : undefined
      const got = fma(x, y, z)
      expect(
        run('mov.b32 %f1, %r1; mov.b32 %f2, %r2; mov.b32 %f3, %r3; fma.rn.f32 %f4, %f1, %f2, %f3; mov.b32 %r10, %f4;', [
          [x, y, z].map(floatBits),
        ])[0]![0],
      ).toBe(floatBits(got))
      if (exact === undefined) continue
      const distance = (value: number): bigint => {
        const d = units(value) * 2n ** 149n - exact
        return d < 0n ? -d : d
      }
      const bits = floatBits(got)
      for (const neighbour of [bits + 1, bits - 1]) {
        const other = new Float32Array(Uint32Array.of(neighbour).buffer)[0]!
        if (Number.isFinite(other)) expect(distance(got) <= distance(other)).toBe(true)
      }
    }
  })

  it('takes the extreme that is a number, or NaN where that is asked for', () => {
    const body = `mov.b32 %f1, %r1; mov.b32 %f2, %r2; max.f32 %f3, %f1, %f2; max.NaN.f32 %f4, %f1, %f2; min.f32 %f5, %f2, %f1;
      mov.b32 %r10, %f3; mov.b32 %r11, %f4; mov.b32 %r12, %f5;`
    const [withNaN, zeros] = run(body, [[NaN, 2].map(floatBits), [-0, 0].map(floatBits)], 3) as [number[], number[]]
    expect([withNaN[0], withNaN[2]]).toEqual([floatBits(2), floatBits(2)])
    expect(withNaN[1]! & 0x7fffffff).toBeGreaterThan(0x7f800000)
    expect(zeros).toEqual([0, 0, 0x80000000])
  })

  it('computes with halves, two at a time and one', () => {
    const pair = (low: number, high: number): number => toHalfBits(low) | (toHalfBits(high) << 16)
    const out = run(
      'fma.rn.f16x2 %r10, %r1, %r2, %r3; add.f16x2 %r11, %r1, %r2; mul.rn.f16x2 %r12, %r1, %r2;',
      [[pair(1.5, -2), pair(3, 0.1), pair(1, 7)]],
      3,
    )[0]!
    const half = (bits: number): number[] => [fromHalfBits(bits & 65535), fromHalfBits(bits >>> 16)]
    const tenth = fromHalfBits(toHalfBits(0.1))
    expect(half(out[0]!)).toEqual([5.5, fromHalfBits(toHalfBits(-2 * tenth + 7))])
    expect(half(out[1]!)).toEqual([4.5, fromHalfBits(toHalfBits(-2 + tenth))])
    expect(half(out[2]!)).toEqual([4.5, -2 * tenth])
  })

  it('packs floats as halves, the second operand low', () => {
    const out = run(
      'mov.b32 %f1, %r1; mov.b32 %f2, %r2; cvt.rn.f16x2.f32 %r10, %f1, %f2; cvt.rn.bf16x2.f32 %r11, %f1, %f2;',
      [[1.1, -2.7].map(floatBits)],
      2,
    )[0]!
    expect(out[0]).toBe((toHalfBits(-2.7) | (toHalfBits(1.1) << 16)) >>> 0)
    expect(out[1]).toBe((toBfloatBits(-2.7) | (toBfloatBits(1.1) << 16)) >>> 0)
  })
})

describe('warps', () => {
  it.each([
    ['bfly', 5, 31, (lane: number) => lane ^ 5],
    ['down', 3, 31, (lane: number) => (lane + 3 > 31 ? lane : lane + 3)],
    ['up', 3, 0, (lane: number) => (lane < 3 ? lane : lane - 3)],
    ['idx', 9, 31, () => 9],
    // Segments of 8 lanes: the upper bits of the clamp are those that stay.
    ['down', 2, (24 << 8) | 7, (lane: number) => ((lane & 7) + 2 > 7 ? lane : lane + 2)],
    ['idx', 1, (24 << 8) | 7, (lane: number) => (lane & 24) | 1],
  ] as const)('shfl.sync.%s by %i with %i', (mode, by, clamp, source) => {
    const out = run(
      `shfl.sync.${mode}.b32 %r10|%p1, %r1, ${by}, ${clamp}, 0xffffffff; selp.b32 %r11, 1, 0, %p1;`,
      lanes((lane) => lane * 10),
      2,
    )
    expect(out.map(([value]) => value! / 10)).toEqual(out.map((_, lane) => source(lane)))
    if (mode === 'bfly' || mode === 'idx') expect(out.every(([, present]) => present === 1)).toBe(true)
    else expect(out.map(([, present]) => present === 1)).toEqual(out.map((_, lane) => source(lane) !== lane))
  })

  it('votes, and reduces whole numbers', () => {
    const body = `setp.gt.u32 %p1, %r1, 9;
      vote.sync.ballot.b32 %r10, %p1, 0xffffffff;
      vote.sync.any.pred %p2, %p1, 0xffffffff; selp.b32 %r11, 1, 0, %p2;
      vote.sync.all.pred %p2, %p1, 0xffffffff; @%p2 add.u32 %r11, %r11, 2;
      vote.sync.uni.pred %p2, %p1, 0xffffffff; @%p2 add.u32 %r11, %r11, 4;
      redux.sync.add.u32 %r12, %r1, 0xffffffff;
      redux.sync.max.s32 %r13, %r2, 0xffffffff;
      activemask.b32 %r14;`
    const out = run(
      body,
      Array.from({ length: 32 }, (_, lane) => [lane, -lane]),
      5,
    )
    for (const own of out) expect(own).toEqual([0xfffffc00, 1, 496, 0, 0xffffffff])
    expect(
      run(
        body,
        Array.from({ length: 32 }, () => [50, 7]),
        5,
      )[3],
    ).toEqual([0xffffffff, 7, 1600, 7, 0xffffffff])
  })

  it('lets parts of a warp meet by themselves', () => {
    const body = `setp.lt.u32 %p1, %r30, 16; mov.u32 %r10, 0;
      @!%p1 bra HIGH;
      shfl.sync.bfly.b32 %r10, %r1, 1, 31, 0x0000ffff;
      bra END;
      HIGH: shfl.sync.bfly.b32 %r10, %r1, 2, 31, 0xffff0000;
      END: add.u32 %r10, %r10, 0;`
    const out = run(
      body,
      lanes((lane) => lane),
    )
    expect(out.map(([value]) => value)).toEqual(Array.from({ length: 32 }, (_, lane) => (lane < 16 ? lane ^ 1 : lane ^ 2)))
  })

  it.each([
    ['m16n8k8', 'f16', 8],
    ['m16n8k8', 'bf16', 8],
    ['m16n8k16', 'f16', 16],
    ['m16n8k16', 'bf16', 16],
    ['m16n8k8', 'tf32', 8],
    ['m16n8k16', 's8', 16],
    ['m16n8k32', 's8', 32],
    ['m16n8k32', 'u8', 32],
  ] as const)('mma.sync %s of %s, by the layout of fragments', (shape, type, depth) => {
    const whole = type === 's8' || type === 'u8'
    // Elements of a word, and the value as the type holds it, with its bits.
    const perWord = whole ? 4 : type === 'tf32' ? 1 : 2
    const encode = { f16: toHalfBits, bf16: toBfloatBits, tf32: floatBits, s8: (v: number) => v & 255, u8: (v: number) => v }[type]
    const decode = {
      f16: fromHalfBits,
      bf16: fromBfloatBits,
      tf32: (bits: number) => new Float32Array(Uint32Array.of(bits).buffer)[0]!,
      s8: (bits: number) => (bits << 24) >> 24,
      u8: (bits: number) => bits,
    }[type]
    const value = (i: number): number => {
      if (whole) return decode((i * 77 + 5) & 255)
      // 10 digits of two are all that tf32 looks at.
      return type === 'tf32' ? Math.round(Math.sin(i * 1.3) * 512) / 512 : decode(encode(Math.sin(i * 1.3)))
    }
    const a = (row: number, k: number): number => value(row * depth + k)
    const b = (k: number, n: number): number => value(1000 + k * 8 + n)
    const c = (row: number, n: number): number => value(2000 + row * 8 + n)
    // Each lane's registers in memory: A's, B's, C's; fragments as the figures of the PTX ISA have them.
    const [words, held] = [12, depth / (2 * perWord)]
    const x = new Uint32Array(32 * words)
    const pack = (element: (which: number) => number): number => {
      let word = 0
      for (let which = 0; which < perWord; which++) word |= encode(element(which)) << ((32 / perWord) * which)
      return word >>> 0
    }
    for (let lane = 0; lane < 32; lane++) {
      const [group, within] = [Math.floor(lane / 4), lane % 4]
      for (let i = 0; i < held; i++) {
        const row = i % 2 === 0 ? group : group + 8
        const k = within * perWord + (i < 2 ? 0 : 4 * perWord)
        x[lane * words + i] = pack((which) => a(row, k + which))
      }
      for (let i = 0; i < held / 2; i++) x[lane * words + 4 + i] = pack((which) => b(within * perWord + i * 4 * perWord + which, group))
      for (let i = 0; i < 4; i++) {
        const added = c(i < 2 ? group : group + 8, within * 2 + (i % 2))
        x[lane * words + 8 + i] = whole ? added : floatBits(added)
      }
    }
    const registers = (from: number, count: number): string => `{${Array.from({ length: count }, (_, i) => `%r${from + i}`).join(', ')}}`
    const sums = whole ? registers(20, 4) : '{%f1, %f2, %f3, %f4}'
    const [sum32, name] = whole ? ['s32', type] : ['f32', type]
    const text = `${head(32)}
      mad.wide.u32 %rd3, %r30, ${words * 4}, %rd1;
      ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd3];
      ld.global.v2.u32 {%r5, %r6}, [%rd3+16];
      ld.global.v4.${sum32} ${sums}, [%rd3+32];
      mma.sync.aligned.${shape}.row.col.${sum32}.${name}.${name}.${sum32} ${sums}, ${registers(1, held)}, ${registers(5, held / 2)}, ${sums};
      mad.wide.u32 %rd4, %r30, 16, %rd2;
      st.global.v4.${sum32} [%rd4], ${sums};
      ret;
    }`
    const out = whole ? new Int32Array(128) : new Float32Array(128)
    launchPtx(text, [32, 1, 1], [x, out])
    for (let lane = 0; lane < 32; lane++)
      for (let i = 0; i < 4; i++) {
        const [row, n] = [Math.floor(lane / 4) + (i < 2 ? 0 : 8), (lane % 4) * 2 + (i % 2)]
        let sum = c(row, n)
        for (let k = 0; k < depth; k++) sum += a(row, k) * b(k, n)
        expect(out[lane * 4 + i]!).toBeCloseTo(sum, 5)
      }
    const assembler = findPtxas()
    if (assembler !== undefined) expect(assemble(assembler, text, 'sm_80').errors).toEqual([])
  })

  it.each([
    [1, false],
    [2, false],
    [4, false],
    [1, true],
    [4, true],
  ] as const)('ldmatrix of %i matrices, transposed: %s', (count, transposed) => {
    // 32 rows of 16 bytes, one of each lane; element e of row r is r * 8 + e. Lane 8m + k brings row k of matrix m.
    const results = `{${Array.from({ length: count }, (_, i) => `%r${10 + i}`).join(', ')}}`
    const text = `${head(32)}
      .shared .align 16 .b8 rows[512];
      mad.wide.u32 %rd3, %r30, 16, %rd1;
      ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd3];
      mov.u32 %r5, rows; mad.lo.u32 %r5, %r30, 16, %r5;
      st.shared.v4.u32 [%r5], {%r1, %r2, %r3, %r4};
      bar.sync 0;
      mov.u32 %r11, 0; mov.u32 %r12, 0; mov.u32 %r13, 0;
      ldmatrix.sync.aligned.m8n8.x${count}${transposed ? '.trans' : ''}.shared.b16 ${results}, [%r5];
      mad.wide.u32 %rd4, %r30, 16, %rd2;
      st.global.v4.u32 [%rd4], {%r10, %r11, %r12, %r13};
      ret;
    }`
    const x = Uint16Array.from({ length: 256 }, (_, i) => i)
    const out = new Uint16Array(256)
    launchPtx(text, [32, 1, 1], [x, out])
    for (let lane = 0; lane < 32; lane++)
      for (let m = 0; m < count; m++)
        for (const k of [0, 1]) {
          const [row, column] = [Math.floor(lane / 4), (lane % 4) * 2 + k]
          expect(out[lane * 8 + m * 2 + k]).toBe(transposed ? m * 64 + column * 8 + row : m * 64 + row * 8 + column)
        }
  })

  it('multiplies matrices by tensor cores and copies ahead of them', () => {
    const [rows, k] = [48, 64]
    const half = (count: number, step: number): Uint16Array => Uint16Array.from({ length: count }, (_, i) => toHalfBits(Math.sin(i * step)))
    const assembler = findPtxas()
    if (assembler !== undefined) expect(assemble(assembler, gemm, 'sm_80').errors).toEqual([])
    const [a, b, out] = [half(rows * k, 0.3), half(k * 8, 0.7), new Float32Array(rows * 8)]
    for (const order of ['forward', 'reverse', 'random'] as const) {
      out.fill(NaN)
      launchPtx(gemm, [32, 1, 1], [a, b, out, Uint32Array.of(k)], { order, grid: [rows / 16, 1, 1], checks: { global: true } })
      for (let i = 0; i < rows * 8; i++) {
        let sum = 0
        for (let p = 0; p < k; p++) sum += fromHalfBits(a[Math.floor(i / 8) * k + p]!) * fromHalfBits(b[p * 8 + (i % 8)]!)
        expect(out[i]!).toBeCloseTo(sum, 4)
      }
    }
  })
})

describe('memory', () => {
  it('updates atomically, and gives what was there', () => {
    const body = `atom.global.add.u32 %r10, [%rd1+12], 1;
      atom.global.cas.b32 %r11, [%rd1+8], 0, 9;
      red.global.max.u32 [%rd1+4], %r30;
      atom.global.exch.b32 %r12, [%rd1], %r30;`
    const out = run(
      body,
      Array.from({ length: 8 }, () => [100, 0, 0, 0]),
      3,
    )
    expect(out.map(([old]) => old)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(out.map((own) => own[1])).toEqual([0, 9, 9, 9, 9, 9, 9, 9])
    expect(out.map((own) => own[2])).toEqual([100, 0, 1, 2, 3, 4, 5, 6])
  })

  it('keeps local memory apart for each thread', () => {
    const text = `${head(4)}
      .local .align 4 .b8 own[16];
      shl.b32 %r1, %r30, 2;
      mov.u32 %r2, 0;
      st.local.u32 [own+4], %r30;
      st.local.u32 [own], %r1;
      ld.local.u32 %r3, [own+4];
      mad.wide.u32 %rd4, %r30, 4, %rd2;
      st.global.u32 [%rd4], %r3;
      ret;
    }`
    const out = new Uint32Array(4)
    launchPtx(text, [4, 1, 1], [new Uint32Array(1), out])
    expect([...out]).toEqual([0, 1, 2, 3])
    expect(() => launchPtx(text.replace('[own+4], %r30', '[own+16], %r30'), [4, 1, 1], [new Uint32Array(1), out])).toThrow(
      /byte 16 of 16 bytes of local/,
    )
  })

  it('reads bytes by their sign, and writes them', () => {
    const body = `ld.global.s8 %r10, [%rd1+1]; ld.global.u8 %r11, [%rd1+1]; ld.global.s16 %h1, [%rd1+2]; cvt.s32.s16 %r12, %h1;
      cvt.u8.u32 %h2, %r2; st.global.u8 [%rd1+5], %h2; ld.global.u32 %r13, [%rd1+4];`
    expect(run(body, [[0xfffe8001, 0x11223344]], 4)[0]).toEqual([0xffffff80, 0x80, 0xfffffffe, 0x11224444])
  })

  it('tells of global memory that nobody wrote, where asked to', () => {
    const text = `${head(1)}
      ld.global.u32 %r1, [%rd2];
      st.global.u32 [%rd2], %r1;
      ret;
    }`
    // The second array is copied in, so it is written; a third word of the first is not there at all.
    launchPtx(text, [1, 1, 1], [new Uint32Array(1), new Uint32Array(1)], { checks: { global: true } })
    expect(() => launchPtx(text.replace('[%rd2];', '[%rd2+2];'), [1, 1, 1], [new Uint32Array(1), new Uint32Array(2)])).toThrow(
      /MISALIGNED.*line 12.*no multiple of 4/,
    )
    expect(() =>
      launchPtx(
        text.replace('ld.global.u32 %r1, [%rd2];', 'ld.global.v2.u32 {%r1, %r2}, [%rd2];'),
        [1, 1, 1],
        [new Uint32Array(1), new Uint32Array(1)],
      ),
    ).toThrow(/4 bytes past|1 bytes past/)
  })
})

describe('text', () => {
  const load = (body: string, target = 'sm_75'): void =>
    launchPtx(`${head(1, target)}${body}\n ret;\n}`, [1, 1, 1], [new Uint32Array(4), new Uint32Array(4)])

  it.each([
    ['frobnicate.b32 %r1, %r2;', /line 11: 'frobnicate\.b32 %r1, %r2': frobnicate is not known/],
    ['add.ftz.f32 %f1, %f2, %f3;', /line 11: .*type ftz is not taken here/],
    ['add.s32.wrong %r1, %r2, %r3;', /\.wrong is not known/],
    ['add.s32 %r1, %r2;', /has 2 operands, and takes 3/],
    ['add.s32 %r1, %r2, %r99;', /register %r99 is not declared/],
    ['add.s32 %r1, %f1, %p1;', /%p1 has not 32 bits/],
    ['mov.u32 %r1, nothing;', /nothing is neither a register nor a variable/],
    ['bra NOWHERE;', /goes to no label/],
    ['cp.async.commit_group;', /needs \.target sm_80 or higher, and the text says sm_75/],
    ['ld.u32 %r1, [%rd1];', /expected \.global or \.shared/],
    ['ld.global.u32 %r1, [%r2];', /global addresses have 64 bits/],
    ['setp.lt.s32 %p1, %r1, %r2', /'setp\.lt\.s32 %p1, %r1, %r2\s+ret' is|no operand/],
    ['{ add.s32 %r1, %r1, 1; }', /blocks inside kernels are not taken/],
  ])('%s is refused with its line', (body, message) => {
    expect(() => load(body)).toThrow(message)
  })

  it('refuses loops with two ways in', () => {
    expect(() =>
      load('setp.eq.u32 %p1, %r30, 0; @%p1 bra B; A: add.u32 %r1, %r1, 1; B: add.u32 %r1, %r1, 1; setp.lt.u32 %p2, %r1, 9; @%p2 bra A;'),
    ).toThrow(/a loop with two ways in is not taken/)
  })

  it('runs traps as what they are', () => {
    expect(() => load('trap;')).toThrow(/line 11 \('trap'\)/)
  })
})
