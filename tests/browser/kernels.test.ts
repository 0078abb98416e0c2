/** Kernels of the tensor package's language, printed as WGSL and run by Chromium on its software adapter. */
import { tmpdir } from 'node:os'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildKernel, f32, i32, u32 } from '../../packages/tensor/src/kernel/builder.js'
import { vector, type Expr, type Kernel } from '../../packages/tensor/src/kernel/ir.js'
import { printWgsl, uniformBinding, uniformBytes } from '../../packages/tensor/src/kernel/print-wgsl.js'
import { leastCaps } from '../../packages/tensor/src/kernel/testing/caps.js'
import { verifyKernel } from '../../packages/tensor/src/kernel/verify.js'
import { findChromium, launchChromium, noChromium, softwareWebGpu } from './chromium.js'
import { serveFolders, type StaticServer } from './server.js'

const executable = findChromium()
let browser: Browser | undefined
let server: StaticServer | undefined
let page: Page

beforeAll(async () => {
  if (executable === undefined) return
  browser = await launchChromium(executable, softwareWebGpu)
  server = await serveFolders({ folders: { '/': tmpdir() }, isolated: false })
  page = await browser.newPage()
  await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }))
  await page.goto(server.origin)
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await server?.[Symbol.asyncDispose]()
})

/** Runs a kernel once, its text rewritten where asked, and gives what its arrays hold then, as words. */
async function run(
  kernel: Kernel,
  arrays: readonly Uint32Array[],
  numbers: Uint32Array,
  workgroups: number,
  rewrite: (code: string) => string = (code) => code,
): Promise<Uint32Array[]> {
  verifyKernel(kernel, leastCaps)
  const task = {
    code: rewrite(printWgsl(kernel)),
    arrays: arrays.map((words) => [...words]),
    numbers: [...numbers],
    numberBytes: uniformBytes(kernel),
    binding: uniformBinding(kernel),
    workgroups,
  }
  const { problems, results } = await page.evaluate(
    async ({ code, arrays: given, numbers: words, numberBytes, binding, workgroups: count }) => {
      const problems: string[] = []
      const adapter = await navigator.gpu.requestAdapter()
      if (adapter === null) return { problems: ['there is no adapter'], results: [] }
      const device = await adapter.requestDevice()
      device.onuncapturederror = ({ error }) => problems.push(error.message)
      const module = device.createShaderModule({ code })
      problems.push(...(await module.getCompilationInfo()).messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`))
      const buffer = (content: number[], bytes: number, usage: number): GPUBuffer => {
        const made = device.createBuffer({ size: bytes, usage: usage | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST })
        device.queue.writeBuffer(made, 0, Uint32Array.from(content))
        return made
      }
      const buffers = given.map((content) => buffer(content, content.length * 4, GPUBufferUsage.STORAGE))
      const entries = buffers.map((made, i) => ({ binding: i, resource: { buffer: made } }))
      const layout: GPUBindGroupLayoutEntry[] = buffers.map((_, i) => ({
        binding: i,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: 'storage' },
      }))
      if (words.length > 0) {
        entries.push({ binding, resource: { buffer: buffer(words, numberBytes, GPUBufferUsage.UNIFORM) } })
        layout.push({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' } })
      }
      const groupLayout = device.createBindGroupLayout({ entries: layout })
      const pipeline = device.createComputePipeline({
        layout: device.createPipelineLayout({ bindGroupLayouts: [groupLayout] }),
        compute: { module, entryPoint: 'main' },
      })
      const encoder = device.createCommandEncoder()
      const pass = encoder.beginComputePass()
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, device.createBindGroup({ layout: groupLayout, entries }))
      pass.dispatchWorkgroups(count)
      pass.end()
      const copies = buffers.map(({ size }) => device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST }))
      buffers.forEach((made, i) => encoder.copyBufferToBuffer(made, 0, copies[i]!, 0, made.size))
      device.queue.submit([encoder.finish()])
      const results: number[][] = []
      for (const copy of copies) {
        await copy.mapAsync(GPUMapMode.READ)
        results.push([...new Uint32Array(copy.getMappedRange().slice(0))])
      }
      device.destroy()
      return { problems, results }
    },
    task,
  )
  expect(problems).toEqual([])
  return results.map((words) => Uint32Array.from(words))
}

const words = (values: Float32Array | Int32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length)
const floats = (bits: Uint32Array): Float32Array => new Float32Array(bits.buffer, bits.byteOffset, bits.length)

describe('a printed kernel', () => {
  it('sums rows in shared memory, with barriers in a loop, and counts by atomic additions', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const [rows, width, threads] = [5, 77, 32]
    const kernel = buildKernel({ name: 'rowSums', workgroup: [threads, 1, 1] }, (b) => {
      const [x, sums, positive] = [b.storage('x', 'f32'), b.storage('sums', 'f32'), b.storage('positive', 'u32', { atomic: true })]
      const [length, scale] = [b.uniform('length'), b.uniform('scale', 'f32')]
      const part = b.sharedArray('part', 'f32', threads)
      const [row, thread] = [b.workgroupId(0), b.localIndex()]
      const sum = b.var('sum', f32(0))
      b.for('i', thread, length, threads, (i) => {
        const value = b.load(x, row.mul(length).add(i))
        sum.set(value.fma(scale, sum.value))
        b.if(value.gt(0), () => b.atomicAdd(positive, row, u32(1)))
      })
      b.store(part, thread, sum.value)
      b.barrier()
      b.for('step', u32(0), 5, 1, (step) => {
        const half = b.let('half', u32(threads / 2).shr(step))
        b.if(thread.lt(half), () => b.store(part, thread, b.load(part, thread).add(b.load(part, thread.add(half)))))
        b.barrier()
      })
      b.if(thread.eq(0), () => b.store(sums, row, b.load(part, u32(0))))
    })
    const values = Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i * i))
    const numbers = new Uint32Array(2)
    numbers[0] = width
    floats(numbers)[1] = 0.5
    const [, sums, positive] = await run(kernel, [words(values), new Uint32Array(rows), new Uint32Array(rows)], numbers, rows)
    for (let row = 0; row < rows; row++) {
      const own = values.subarray(row * width, (row + 1) * width)
      expect(floats(sums!)[row]).toBeCloseTo(own.reduce((a, b) => a + b) / 2, 4)
      expect(positive![row]).toBe(own.filter((value) => value > 0).length)
    }
  })

  it('computes what each operator says', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const floatCases: readonly (readonly [(x: Expr, y: Expr) => Expr, (x: number, y: number) => number])[] = [
      [(x, y) => x.add(y), (x, y) => x + y],
      [(x, y) => x.sub(y).neg(), (x, y) => y - x],
      [(x, y) => x.mul(y), (x, y) => x * y],
      [(x, y) => x.div(y), (x, y) => x / y],
      [(x, y) => x.rem(y), (x, y) => x % y],
      [(x, y) => x.min(y), Math.min],
      [(x, y) => x.max(y), Math.max],
      [(x, y) => x.fma(y, 1), (x, y) => x * y + 1],
      [(x, y) => x.lt(y).select(x, y), (x, y) => (x < y ? x : y)],
      [(x, y) => x.ge(y).and(x.ne(0)).to('f32'), (x, y) => Number(x >= y && x !== 0)],
      [(x) => x.unary('abs').unary('sqrt'), (x) => Math.sqrt(Math.abs(x))],
      [(x) => x.unary('abs').unary('rsqrt'), (x) => 1 / Math.sqrt(Math.abs(x))],
      [(x) => x.unary('exp'), Math.exp],
      [(x) => x.unary('exp2'), (x) => 2 ** x],
      [(x) => x.unary('abs').unary('log'), (x) => Math.log(Math.abs(x))],
      [(x) => x.unary('abs').unary('log2'), (x) => Math.log2(Math.abs(x))],
      [(x) => x.unary('tanh'), Math.tanh],
      [(x) => x.unary('floor').add(x.unary('ceil')).add(x.unary('trunc')), (x) => Math.floor(x) + Math.ceil(x) + Math.trunc(x)],
      [(x) => x.to('i32').to('f32'), Math.trunc],
      [(x) => x.bits('u32').xor(0x80000000).bits('f32'), (x) => -x],
      [
        (x, y) =>
          vector(x, y, x, y)
            .mul(vector(y, y, x, x))
            .lane(3),
        (x, y) => x * y,
      ],
      [(x, y) => f32(Infinity).min(x).max(-Infinity).add(y), (x, y) => x + y],
    ]
    const integerCases: readonly (readonly [(x: Expr, y: Expr) => Expr, (x: number, y: number) => number])[] = [
      [(x, y) => x.add(y), (x, y) => x + y],
      [(x, y) => x.mul(y), Math.imul],
      [(x, y) => x.div(y), (x, y) => x / y],
      [(x, y) => x.rem(y), (x, y) => x % y],
      [(x, y) => x.and(y).or(x.xor(y).not()), (x, y) => (x & y) | ~(x ^ y)],
      [(x, y) => x.shl(y), (x, y) => x << y],
      [(x, y) => x.shr(y), (x, y) => x >> y],
      [(x, y) => x.bits('u32').shr(y.bits('u32')).bits('i32'), (x, y) => x >>> y],
      [(x, y) => x.max(y).sub(x.min(y)).add(i32(-2147483648)), (x, y) => Math.max(x, y) - Math.min(x, y) - 2147483648],
      [(x, y) => x.bits('u32').lt(y.bits('u32')).to('i32'), (x, y) => Number(x >>> 0 < y >>> 0)],
    ]
    const xs = [1.5, -2.25, 3, -0.75, 7.125]
    const ys = [0.5, 1.25, -2, 3.5, -1.125]
    const is = [7, -7, 123456789, -2147483648, 5]
    const js = [3, 40, -3, 2, 5]
    const kernel = buildKernel({ name: 'operators', workgroup: [8, 1, 1] }, (b) => {
      const [x, y, real] = [b.storage('x', 'f32'), b.storage('y', 'f32'), b.storage('real', 'f32')]
      const [i, j, whole] = [b.storage('i', 'i32'), b.storage('j', 'i32'), b.storage('whole', 'i32')]
      const at = b.globalId(0)
      b.if(at.lt(xs.length), () => {
        const [xAt, yAt, iAt, jAt] = [b.load(x, at), b.load(y, at), b.load(i, at), b.load(j, at)]
        floatCases.forEach(([build], k) => b.store(real, at.mul(floatCases.length).add(k), build(xAt, yAt)))
        integerCases.forEach(([build], k) => b.store(whole, at.mul(integerCases.length).add(k), build(iAt, jAt)))
      })
    })
    const real = new Uint32Array(xs.length * floatCases.length)
    const whole = new Uint32Array(xs.length * integerCases.length)
    const found = await run(
      kernel,
      [words(Float32Array.from(xs)), words(Float32Array.from(ys)), real, words(Int32Array.from(is)), words(Int32Array.from(js)), whole],
      new Uint32Array(0),
      1,
    )
    xs.forEach((x, at) => {
      floatCases.forEach(([build, apply], k) => {
        const [got, want] = [floats(found[2]!)[at * floatCases.length + k]!, apply(x, ys[at]!)]
        expect(Math.abs(got - want), `${build.toString()} of ${x}, ${ys[at]!}: ${got}, not ${want}`).toBeLessThanOrEqual(
          2e-5 * Math.max(1, Math.abs(want)),
        )
      })
      integerCases.forEach(([build, apply], k) => {
        const got = new Int32Array(found[5]!.buffer)[at * integerCases.length + k]!
        expect(got, `${build.toString()} of ${is[at]!}, ${js[at]!}`).toBe(Int32Array.of(apply(is[at]!, js[at]!))[0])
      })
    })
  })

  /** As graphics cards divide: by a product with the reciprocal, which is 0 where it is too small to be normal. */
  const byReciprocal = (code: string): string =>
    `fn flushed(x: f32) -> f32 { return select(x, 0.0, abs(x) < 0x1p-126); }\n${code.replaceAll(/return (.*) \/ (.*);/g, 'return $1 * flushed(1.0 / $2);').replaceAll(/= \((\S+) \/ (\S+)\);/g, '= ($1 * flushed(1.0 / $2));')}`

  it.each([
    ['as it is', (code: string) => code],
    ['with the division of graphics cards', byReciprocal],
  ])('divides by numbers near the ends of the range, %s', async (_, rewrite) => {
    if (executable === undefined) return
    const [dividends, divisors] = [
      [3e38, 3e38, -3e38, 1, 1e38, 3, 7.5, -7.5, 1e-30, 2e-38, 1e20, 0, 1e30, 3.4e38],
      [3e38, 2.9e38, 1.7e38, 3e38, 2e37, 1.5, 2, 2, 1e-31, 1.5e-38, 1e-15, 3e38, 1e29, 1.1e38],
    ].map((values) => Float32Array.from(values)) as [Float32Array, Float32Array]
    const count = dividends.length
    const kernel = buildKernel({ name: 'divisions' }, (b) => {
      const [x, y, out] = [b.storage('x', 'f32'), b.storage('y', 'f32'), b.storage('out', 'f32')]
      const at = b.globalId(0)
      b.if(at.lt(count), () => {
        const [dividend, divisor] = [b.load(x, at), b.load(y, at)]
        b.store(out, at, dividend.quotient(divisor))
        b.store(out, at.add(count), dividend.rem(divisor))
        const plain = b.let('plain', dividend.div(divisor))
        b.store(out, at.add(2 * count), plain)
      })
    })
    const results = await run(kernel, [words(dividends), words(divisors), new Uint32Array(3 * count)], new Uint32Array(), 1, rewrite)
    const found = floats(results[2]!)
    dividends.forEach((dividend, i) => {
      const divisor = divisors[i]!
      const exact = dividend / divisor
      // Four units in the last place, of which WGSL grants 2.5; what is too small to be normal may be 0.
      expect(Math.abs(found[i]! - exact), `${dividend} / ${divisor}`).toBeLessThanOrEqual(Math.max(2 ** -126, Math.abs(exact) * 2 ** -21))
      // Of a larger quotient floats do not hold what is behind the point.
      if (Math.abs(exact) > 2 ** 22) return
      // A quotient that is nearly whole leaves nearly nothing or nearly the divisor, as products are rounded.
      const apart = Math.abs(found[count + i]! - (dividend % divisor))
      const off = Math.min(apart, Math.abs(divisor) - apart)
      expect(Math.abs(off), `${dividend} % ${divisor}: ${found[count + i]!}`).toBeLessThanOrEqual(
        Math.max(2 ** -126, Math.abs(divisor) * 2 ** -21),
      )
    })
    // The detour is needed where devices divide so.
    if (rewrite === byReciprocal) expect(found[2 * count]).toBe(0)
  })
})
