import { expect, it } from 'vitest'
import { buildKernel, f32, i32, u32, type KernelBuilder } from './builder.js'
import { constant, vector, type KernelCaps } from './ir.js'
import { printWgsl, uniformBinding, uniformBytes } from './print-wgsl.js'
import { leastCaps } from './testing/caps.js'
import { rowSums } from './testing/row-sums.js'
import { verifyKernel } from './verify.js'

const caps: KernelCaps = { ...leastCaps, f16: true, subgroups: true }

it('prints statements, arrays, numbers and shared memory', () => {
  verifyKernel(rowSums, caps)
  expect(uniformBinding(rowSums)).toBe(3)
  expect(uniformBytes(rowSums)).toBe(16)
  expect(printWgsl(rowSums)).toMatchInlineSnapshot(`
    "@group(0) @binding(0) var<storage, read_write> x_0: array<f32>;
    @group(0) @binding(1) var<storage, read_write> sums_0: array<f32>;
    @group(0) @binding(2) var<storage, read_write> seen_0: array<atomic<u32>>;
    struct Numbers {
      width_0: u32,
      scale_0: f32,
    }
    @group(0) @binding(3) var<uniform> numbers: Numbers;
    var<workgroup> part_0: array<f32, 32>;
    @compute @workgroup_size(32, 1, 1)
    fn main(@builtin(local_invocation_index) localIndex: u32, @builtin(workgroup_id) workgroupId: vec3<u32>) {
      var sum_0 = f32(0.0);
      let i_0_end = numbers.width_0;
      for (var i_0 = localIndex; i_0 < i_0_end; i_0 += 32u) {
        let x_0_at_0 = x_0[((workgroupId.x * numbers.width_0) + i_0)];
        sum_0 = fma(x_0_at_0, numbers.scale_0, sum_0);
        atomicAdd(&seen_0[0u], 1u);
      }
      part_0[localIndex] = sum_0;
      storageBarrier();
      workgroupBarrier();
      let step_0_end = 4u;
      for (var step_0 = 0u; step_0 < step_0_end; step_0 += 1u) {
        let half_0 = (16u >> (step_0 & 31u));
        if ((localIndex < half_0)) {
          let part_0_at_0 = part_0[localIndex];
          let part_0_at_1 = part_0[(localIndex + half_0)];
          part_0[localIndex] = (part_0_at_0 + part_0_at_1);
        }
        storageBarrier();
        workgroupBarrier();
      }
      if ((localIndex == 0u)) {
        let part_0_at_2 = part_0[0u];
        let part_0_at_3 = part_0[1u];
        sums_0[workgroupId.x] = (part_0_at_2 + part_0_at_3);
      } else {
        part_0[localIndex] = f32(0.0);
      }
    }
    "
  `)
})

it('prints constants that read back as what they are, and those that no constant may be by their bits', () => {
  const kernel = buildKernel({ name: 'constants' }, (b) => {
    for (const value of [0, -0, 1, -2.5, 1e-45, 3.4028234663852886e38, 0.1, Infinity, -Infinity, NaN]) b.let('x', f32(value))
    for (const value of [-2147483648, 2147483647, -1]) b.let('i', i32(value))
    b.let('u', u32(4294967295))
    for (const value of [0.1, 65519, 65520, -1e9]) b.let('h', constant(value, 'f16'))
    b.let('t', constant(true, 'bool'))
  })
  verifyKernel(kernel, caps)
  expect(printWgsl(kernel)).toMatchInlineSnapshot(`
    "enable f16;
    @compute @workgroup_size(64, 1, 1)
    fn main() {
      var bits_7f800000 = 2139095040u;
      var bits_ff800000 = 4286578688u;
      var bits_7fc00000 = 2143289344u;
      let x_0 = f32(0.0);
      let x_1 = f32(-0.0);
      let x_2 = f32(1.0);
      let x_3 = f32(-2.5);
      let x_4 = f32(1.401298464324817e-45);
      let x_5 = f32(3.4028234663852886e+38);
      let x_6 = f32(0.10000000149011612);
      let x_7 = bitcast<f32>(bits_7f800000);
      let x_8 = bitcast<f32>(bits_ff800000);
      let x_9 = bitcast<f32>(bits_7fc00000);
      let i_0 = i32(-2147483648);
      let i_1 = i32(2147483647);
      let i_2 = i32(-1);
      let u_0 = 4294967295u;
      let h_0 = f16(0.0999755859375);
      let h_1 = f16(65504.0);
      let h_2 = f16(bitcast<f32>(bits_7f800000));
      let h_3 = f16(bitcast<f32>(bits_ff800000));
      let t_0 = true;
    }
    "
  `)
})

it('prints every operator', () => {
  const kernel = buildKernel({ name: 'operators' }, (b) => {
    const [x, i, u] = [b.let('x', f32(2)), b.let('i', i32(-3)), b.let('u', u32(5))]
    b.let('a', x.add(1).sub(2).mul(3).div(4).rem(5).min(6).max(7))
    b.let('b', i.shl(i).shr(u.bits('i32')).and(1).or(2).xor(3).not())
    b.let('c', u.shr(40).lt(3).and(x.ge(1)).or(x.ne(1)).xor(i.eq(2)).not().select(x, 0))
    b.let('d', x.to('i32').to('f32').to('u32').to('bool').to('f32').bits('u32').bits('i32'))
    b.let('e', x.unary('rsqrt').unary('exp2').unary('tanh').neg().unary('abs'))
    const v = b.let('v', vector(x, x, x, x).mul(2))
    b.let('w', v.lane(3).add(v.lane(0)))
    b.let('y', b.subgroup('shuffleXor', b.subgroup('add', x), 4))
    b.let('z', vector(u, u).shl(vector(u, u)))
  })
  verifyKernel(kernel, caps)
  expect(printWgsl(kernel)).toMatchInlineSnapshot(`
    "enable subgroups;
    fn scale1(b: f32) -> f32 {
      let size = abs(b);
      return select(select(f32(1.0), f32(0x1p-24), size > f32(0x1p100)), f32(0x1p24), size < f32(0x1p-100));
    }
    fn quotient1(a: f32, b: f32) -> f32 {
      let scale = scale1(b);
      return (a * scale) / (b * scale);
    }
    fn remainder1(a: f32, b: f32) -> f32 {
      let scale = scale1(b);
      let size = abs(b * scale);
      let one = select(size, -size, a < f32(0.0));
      let rest = fma(-trunc(quotient1(a, b)), b * scale, a * scale);
      let crossed = (rest != f32(0.0)) & ((rest < f32(0.0)) != (a < f32(0.0)));
      return select(select(rest, rest - one, abs(rest) >= size), rest + one, crossed) / scale;
    }
    @compute @workgroup_size(64, 1, 1)
    fn main() {
      let x_0 = f32(2.0);
      let i_0 = i32(-3);
      let u_0 = 5u;
      let a_0 = max(min(remainder1(((((x_0 + f32(1.0)) - f32(2.0)) * f32(3.0)) / f32(4.0)), f32(5.0)), f32(6.0)), f32(7.0));
      let b_0 = (~(((((i_0 << (bitcast<u32>(i_0) & 31u)) >> (bitcast<u32>(bitcast<i32>(u_0)) & 31u)) & i32(1)) | i32(2)) ^ i32(3)));
      let c_0 = select(f32(0.0), x_0, (!(((((u_0 >> (40u & 31u)) < 3u) & (x_0 >= f32(1.0))) | (x_0 != f32(1.0))) != (i_0 == i32(2)))));
      let d_0 = bitcast<i32>(bitcast<u32>(f32(bool(u32(f32(i32(x_0)))))));
      let e_0 = abs((-tanh(exp2(inverseSqrt(x_0)))));
      let v_0 = (vec4<f32>(x_0, x_0, x_0, x_0) * vec4<f32>(f32(2.0), f32(2.0), f32(2.0), f32(2.0)));
      let w_0 = (v_0.w + v_0.x);
      let add_of_0 = subgroupAdd(x_0);
      let shuffleXor_of_0 = subgroupShuffleXor(add_of_0, 4u);
      let y_0 = shuffleXor_of_0;
      let z_0 = (vec2<u32>(u_0, u_0) << (vec2<u32>(u_0, u_0) & vec2<u32>(31u)));
    }
    "
  `)
})

it('binds an array in ranges, and chooses between them by the index', () => {
  const kernel = buildKernel({ name: 'ranges', workgroup: [1, 1, 1] }, (b) => {
    const x = b.storage('x', 'u32', { ranges: 3, rangeBytes: 256 })
    const seen = b.storage('seen', 'u32', { atomic: true, ranges: 2, rangeBytes: 512 })
    const out = b.storage('out', 'u32', { lanes: 4, ranges: 2, rangeBytes: 256 })
    b.atomicAdd(seen, u32(1), b.load(x, i32(5)))
    b.store(out, b.globalId(0), vector(u32(1), u32(2), u32(3), u32(4)))
  })
  verifyKernel(kernel, caps)
  expect(uniformBinding(kernel)).toBe(7)
  const code = printWgsl(kernel)
  expect(code).toContain('@group(0) @binding(2) var<storage, read_write> x_0_range2x: array<u32>;')
  expect(code).toContain('@group(0) @binding(3) var<storage, read_write> seen_0_range0x: array<atomic<u32>>;')
  expect(code).toContain(
    [
      'fn x_0_load(i: u32) -> u32 {',
      '  if (i < 64u) { return x_0_range0x[i]; }',
      '  if (i < 128u) { return x_0_range1x[i - 64u]; }',
      '  return x_0_range2x[i - 128u];',
      '}',
    ].join('\n'),
  )
  expect(code).toContain('  if (i < 128u) { atomicAdd(&seen_0_range0x[i], value); return; }')
  expect(code).toContain('  out_0_range1x[i - 16u] = value; return;')
  expect(code).toContain('let x_0_at_0 = x_0_load(u32(i32(5)));')
  expect(() => verifyKernel(kernel, { ...caps, maxBindings: 6 })).toThrow('3 arrays in memory in 7 ranges; the device allows 6')
})

it('refuses what only other devices have', () => {
  const four = vector(f32(0), f32(0), f32(0), f32(0))
  const words = vector(u32(0), u32(0), u32(0), u32(0))
  const tried: readonly (readonly [string, (b: KernelBuilder) => void])[] = [
    ['multiplyMatrices', (b) => b.multiplyMatrices(b.var('sum', four), words, vector(u32(0), u32(0)), 'f16')],
    ['matrices', (b) => void b.matrices(b.sharedArray('tile', 'u32', 64, 4), u32(0))],
    ['halves', (b) => void b.halves(f32(0), f32(1), 'f16')],
    ['copyAsync', (b) => b.copyAsync(b.sharedArray('tile', 'u32', 1, 4), u32(0), b.storage('x', 'u32'), u32(0), u32(0).eq(0))],
    ['groupCopies', (b) => b.groupCopies()],
    ['waitCopies', (b) => b.waitCopies(0)],
    ['storeHalf', (b) => b.storeHalf(b.storage('x', 'u32'), u32(0), u32(0))],
  ]
  for (const [what, build] of tried)
    expect(() => printWgsl(buildKernel({ name: 'tried' }, build))).toThrow(
      expect.objectContaining({ code: 'KERNEL', message: expect.stringContaining(`${what} is not in WGSL`) as string }) as Error,
    )
})
