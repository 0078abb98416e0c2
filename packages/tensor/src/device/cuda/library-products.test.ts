/** Products by a library in the place of kernels: which are, with what arguments, and that whatever the library does not do is done by the kernel. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildProgram } from '../../compile/build-program.js'
import { lower } from '../../compile/lower.js'
import type { ProductSize } from '../../compile/plain-product.js'
import { decodeStorage, encodeStorage } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import { emit } from '../../graph/build.js'
import { add, cumsum } from '../../graph/primitives.js'
import { jit, setDebug, sym, type Tensor } from '../../index.js'
import { cudaTuning } from '../../kernel/lib/tuning.js'
import { placeholder } from '../../testing/evaluate.js'
import { numbers } from '../../testing/edge.js'
import { matrixEdges } from '../../testing/matrix-edges.js'
import type { DeviceBuffer } from '../device.js'
import { openCuda, type CudaDevice } from './device.js'
import { emulatedDriver, type EmulatedDriver } from './testing/driver.js'
import type { EmulatorOptions } from './testing/driver-state.js'
import { emulatedLibrary, type EmulatedLibrary } from './testing/matrix-library.js'

let driver: EmulatedDriver
let device: CudaDevice
let library: EmulatedLibrary | undefined
let opened = 0
let lines: string[] = []

/** A device whose library is asked for products of so many multiplications. */
function open(options: EmulatorOptions = {}, leastSteps = 1, refuses?: (product: ProductSize) => string | undefined): void {
  driver = emulatedDriver({ order: 'random', checks: { global: true }, ...options })
  device = openCuda(driver, cudaTuning, {
    open: () => {
      opened++
      return (library = emulatedLibrary(driver, refuses))
    },
    leastSteps,
  })
}
beforeEach(() => {
  library = undefined
  opened = 0
  lines = []
  setDebug(1, (line) => lines.push(line))
})
afterEach(async () => {
  setDebug(0)
  const lost = device.gone
  await device.dispose()
  // What is lost is let go of without its calls.
  if (lost) return
  const { allocations, modules, streams, contexts, graphExecutables } = driver.live()
  const left = [allocations, modules, streams, contexts, graphExecutables].join()
  if (left !== '0,0,0,0,0' || library?.closed === false)
    throw new Error(`left with the driver: ${left}, and the library: ${library?.closed}`)
})
const launches = (): number => driver.calls.get('launch') ?? 0
const plain = (a: Tensor, b: Tensor): Tensor => a.matmul(b)
const pair = (): readonly Tensor[] => [numbers([20, 24], 0.3, 'f16'), numbers([24, 18], 0.5, 'f16')]

describe('products by a library', () => {
  /** Edges that are a product and nothing besides, and what the library is asked for. */
  const expected = new Map<RegExp, readonly string[]>([
    [/^product of 65 rows, 40 steps, 72 columns of f16$/, ['f16 1 65x40x72 0011']],
    [/^product of 65 rows, 40 steps, 72 columns of f16, first transposed$/, ['f16 1 65x40x72 1011']],
    [/^product of 65 rows, 40 steps, 72 columns of f16, second transposed$/, ['f16 1 65x40x72 0111']],
    [/^product of 65 rows, 40 steps, 72 columns of f16, first transposed, second transposed$/, ['f16 1 65x40x72 1111']],
    [/^product of 65 rows, 40 steps, 72 columns of bf16$/, ['bf16 1 65x40x72 0011']],
    [/^product of 20 rows, 34 steps, 18 columns of f16$/, ['f16 1 20x34x18 0011']],
    [/^product of 33 rows, 35 steps, 37 columns of f16$/, []], // 1221 halves end in half a word
    [/^a batch of products of f16, first transposed, with one matrix$/, ['f16 3 20x24x18 1010']],
    [/^one matrix of bf16 with a batch, second transposed$/, ['bf16 3 20x24x18 0101']],
    [/^products of f16 in batches of two axes, of odd sizes$/, ['f16 6 17x19x21 0011']],
    [/^rows of f16 in batches with one matrix, with one more axis$/, ['f16 1 60x24x34 0011']],
    [/^as many products of f16 as a symbol says$/, ['f16 1 20x24x18 1111', 'f16 6 20x24x18 1111', 'f16 3 20x24x18 1111']],
    [/^large products of f16 in batches$/, ['f16 2 130x48x136 0011']],
    [/^a product of views of f16$/, ['f16 1 15x40x24 0011']],
    [/^as many steps of f16 as a symbol says$/, ['f16 1 20x1x24 0011', 'f16 1 20x64x24 0011', 'f16 1 20x77x24 0011']],
    [/^as many columns of f16 as a symbol says$/, ['f16 1 20x40x1 0011', 'f16 1 20x40x64 0011', 'f16 1 20x40x77 0011']],
  ])
  it.each([...expected].map(([name, keys]) => [name.source, name, keys] as const))('%s', async (_, name, keys) => {
    open()
    expect(await matrixEdges.find((edge) => name.test(edge.name))!.check(device)).toBeUndefined()
    expect(library?.multiplied() ?? []).toEqual(keys)
  })

  it('are what kernels compute, whose launches they take the place of', async () => {
    open()
    const inputs = await Promise.all(pair().map((input) => input.realize({ device })))
    const before = launches()
    using found = await plain(inputs[0]!, inputs[1]!).realize({ device })
    expect(launches()).toBe(before)
    const other = openCuda(emulatedDriver())
    using own = await plain(...(pair() as [Tensor, Tensor])).realize({ device: other })
    const [a, b] = [await found.data(), await own.data()]
    expect(Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))).toBeLessThan(0.01)
    inputs.forEach((input) => input.dispose())
    own.dispose()
    await other.dispose()
  })

  it('begin at a size, below which the library is not even opened', async () => {
    open({}, 20 * 24 * 18 + 1)
    const edge = matrixEdges.find(({ name }) => name.includes('20 rows, 34 steps, 18 columns'))!
    using small = await plain(...(pair() as [Tensor, Tensor])).realize({ device })
    expect(small.shape).toEqual([20, 18])
    expect(opened).toBe(0)
    expect(await edge.check(device)).toBeUndefined()
    expect([opened, library!.multiplied()]).toEqual([1, ['f16 1 20x34x18 0011']])
    expect(await edge.check(device)).toBeUndefined()
    expect(opened).toBe(1)
  })

  it('with a symbol are the library’s in the runs in which they are large', async () => {
    open({}, 20 * 24 * 30)
    const columns = sym('columns', { max: 40 })
    const step = jit((a: Tensor, b: Tensor): Tensor => a.matmul(b.slice(1, 0, columns)), { device })
    const inputs = await Promise.all([numbers([20, 24], 0.3, 'f16'), numbers([24, 40], 0.5, 'f16')].map((input) => input.to(device)))
    for (const count of [40, 16, 30, 0]) {
      using out = await step.run(inputs as [Tensor, Tensor], { symbols: new Map([[columns, count]]) })
      expect((await out.data()).every(Number.isFinite)).toBe(true)
    }
    expect(library!.multiplied()).toEqual(['f16 1 20x24x40 0011', 'f16 1 20x24x30 0011'])
    step.dispose()
    inputs.forEach((input) => input.dispose())
  })
})

describe('graphs', () => {
  const rows = sym('rows', { max: 40 })
  const bytes = (elements: number): DeviceBuffer => device.alloc(2 * elements)
  /** Kernels before and after a product of as many rows as a run says, in memory that stays the same. */
  const prepare = async (): Promise<(count: number) => Promise<Float32Array>> => {
    const [a, b] = [placeholder({ shape: [rows, 24], dtype: 'f16' }), placeholder({ shape: [24, 18], dtype: 'f16' })]
    const product = emit('matmul', [add(a, a), b], {})
    const lowered = lower([cumsum(cumsum(product, 1), 0)], device)
    const executable = await device.compile(buildProgram(lowered.outputs, lowered))
    const inputs = [bytes(40 * 24), bytes(24 * 18)]
    const output = bytes(40 * 18)
    for (const input of inputs)
      device.write(
        input,
        encodeStorage(
          'f16',
          Float32Array.from({ length: input.bytes / 2 }, (_, i) => ((i * 7) % 5) - 2),
        ),
      )
    return async (count) => {
      device.run(executable, inputs, [output], new Map([[rows, count]]))
      return decodeStorage('f16', await device.read(output, 2 * 18 * count)) as Float32Array
    }
  }
  const graphs = (): number => driver.calls.get('graphLaunch') ?? 0
  /** Whole numbers, which every order of sums gives. */
  const results = new Map<number, Float32Array>()
  beforeAll(async () => {
    driver = emulatedDriver()
    device = openCuda(driver)
    const run = await prepare()
    for (const count of [33, 34]) results.set(count, await run(count))
    await device.dispose()
  })

  it('hold the library’s products with the kernels, each of one size, though grids are rounded', async () => {
    open()
    const run = await prepare()
    expect(results.get(34)!.some((value) => value !== 0)).toBe(true)
    for (const [count, replays] of [
      [33, 0],
      [33, 1],
      [34, 1],
      [34, 2],
      [33, 3],
      [34, 4],
    ] as const) {
      expect(await run(count)).toEqual(results.get(count))
      expect(graphs()).toBe(replays)
    }
    // In the run before each capture, and in it.
    expect(library!.multiplied()).toEqual(['33', '33', '34', '34'].map((count) => `f16 1 ${count}x24x18 0011`))
  })

  it('are collected with the kernel where the library refuses while they are', async () => {
    let refused = 0
    open({}, 1, () => (driver.calls.get('captureBegin') === undefined ? undefined : (refused++, 'not while it is captured')))
    const run = await prepare()
    for (let i = 0; i < 4; i++) expect(await run(33)).toEqual(results.get(33))
    expect([refused, graphs(), library!.multiplied()]).toEqual([1, 3, ['f16 1 33x24x18 0011']])
  })

  it('are given up where the library breaks the capture', async () => {
    let broken = false
    const breaks = (): string | undefined => {
      broken = driver.calls.get('captureBegin') !== undefined
      return broken ? 'CUBLAS_STATUS_EXECUTION_FAILED' : undefined
    }
    // A driver refuses all calls on a stream whose capture was broken, and its end, which ends it all the same.
    open({ failing: (method) => (broken && method === 'launch' ? 900 : undefined) }, 1, breaks)
    const end = driver.captureEnd.bind(driver)
    driver.captureEnd = (stream) => {
      driver.graphDestroy(end(stream))
      broken = false
      throw new TensorError('RUNTIME', 'cuStreamEndCapture failed: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED (901)')
    }
    const run = await prepare()
    for (let i = 0; i < 4; i++) expect(await run(33)).toEqual(results.get(33))
    expect(graphs()).toBe(0)
    expect(lines.some((line) => line.includes('launches are not captured as a graph'))).toBe(true)
  })

  it('go with the memory of the library', async () => {
    let fail = false
    open({ failing: (method) => (method === 'allocAsync' && fail ? ((fail = false), 2) : undefined) })
    const run = await prepare()
    for (let i = 0; i < 3; i++) expect(await run(33)).toEqual(results.get(33))
    fail = true
    bytes(8)
    for (let i = 0; i < 3; i++) expect(await run(33)).toEqual(results.get(33))
    expect(graphs()).toBe(4)
    expect(library!.multiplied()).toHaveLength(4)
  })
})

describe('kernels take over', () => {
  const check = (name: string): Promise<string | undefined> => matrixEdges.find((edge) => edge.name === name)!.check(device)
  const name = 'product of 20 rows, 34 steps, 18 columns of f16'

  it('where the library refuses, of which it is asked once a size', async () => {
    let asked = 0
    open({}, 1, ({ rows }) => (rows === 20 ? (asked++, 'CUBLAS_STATUS_NOT_SUPPORTED') : undefined))
    for (let i = 0; i < 3; i++) expect(await check(name)).toBeUndefined()
    expect(asked).toBe(1)
    expect(lines).toContain('[tesserae] product f16 1 20x34x18 0011 runs as a kernel; emulated library: CUBLAS_STATUS_NOT_SUPPORTED')
    expect(await check('product of 65 rows, 40 steps, 72 columns of f16')).toBeUndefined()
    expect(library!.multiplied()).toEqual(['f16 1 65x40x72 0011'])
  })

  it('where there is none, which is looked for once', async () => {
    let looked = 0
    driver = emulatedDriver()
    device = openCuda(driver, cudaTuning, {
      open: () => {
        looked++
        throw new TensorError('DEVICE', 'libcublasLt.so.12 is not there')
      },
      leastSteps: 1,
    })
    for (let i = 0; i < 2; i++) expect(await check(name)).toBeUndefined()
    expect(looked).toBe(1)
    expect(device.notes()).toEqual(['large products of f16 and bf16: own kernels; no library: libcublasLt.so.12 is not there'])
    expect(lines).toContain('[tesserae] large products run as kernels: libcublasLt.so.12 is not there')
  })

  it('where it was switched off', async () => {
    driver = emulatedDriver()
    device = openCuda(driver)
    expect(await check(name)).toBeUndefined()
    expect(device.notes()).toEqual(['large products of f16 and bf16: own kernels; no library: switched off'])
  })

  it('where there is no memory for it, until there is', async () => {
    let full = true
    open()
    const alloc = driver.allocAsync.bind(driver)
    driver.allocAsync = (bytes, stream) => {
      // Nothing else here has so many bytes.
      if (full && bytes === 1024) throw new TensorError('OUT_OF_MEMORY', 'cuMemAllocAsync failed: CUDA_ERROR_OUT_OF_MEMORY (2)')
      return alloc(bytes, stream)
    }
    expect(await check(name)).toBeUndefined()
    expect(library!.multiplied()).toEqual([])
    expect(lines.some((line) => line.includes('there are no 1024 bytes for emulated library'))).toBe(true)
    full = false
    expect(await check(name)).toBeUndefined()
    expect(library!.multiplied()).toEqual(['f16 1 20x34x18 0011'])
  })

  it('its memory is given back where there is no more, and asked for again', async () => {
    let fail = 0
    open({ failing: (method) => (method === 'allocAsync' && fail > 0 ? (fail--, 2) : undefined) })
    const [alloc, free] = [driver.allocAsync.bind(driver), driver.freeAsync.bind(driver)]
    const own: string[] = []
    const workspaces = new Set<number>()
    driver.allocAsync = (bytes, stream) => {
      const pointer = alloc(bytes, stream)
      if (bytes === 1024) {
        workspaces.add(pointer)
        own.push('allocated')
      }
      return pointer
    }
    driver.freeAsync = (pointer, stream) => {
      if (workspaces.has(pointer)) own.push('freed')
      free(pointer, stream)
    }
    expect(await check(name)).toBeUndefined()
    fail = 1
    const buffer = device.alloc(64)
    expect(own).toEqual(['allocated', 'freed'])
    for (let i = 0; i < 2; i++) expect(await check(name)).toBeUndefined()
    expect(own).toEqual(['allocated', 'freed', 'allocated'])
    expect(library!.multiplied()).toHaveLength(3)
    device.free(buffer)
  })
})

describe('what becomes of it', () => {
  it('runs are profiled by its name', async () => {
    open()
    const seen: string[] = []
    const inputs = await Promise.all(pair().map((input) => input.to(device)))
    const compute = jit(plain, { device })
    using out = await compute.run(inputs as [Tensor, Tensor], { profile: ({ name, detail }) => void seen.push(`${name}: ${detail}`) })
    expect(out.shape).toEqual([20, 18])
    expect(seen).toEqual(['matmul: emulated library'])
    expect(device.notes()).toEqual(['large products of f16 and bf16: emulated library, from 1 multiplications on'])
    compute.dispose()
    inputs.forEach((input) => input.dispose())
  })

  it('it is closed with the device while programs live', async () => {
    open()
    const compute = jit(plain, { device })
    const inputs = await Promise.all(pair().map((input) => input.to(device)))
    using out = await compute.run(inputs as [Tensor, Tensor])
    expect(out.shape).toEqual([20, 18])
    await device.dispose()
    expect(library!.closed).toBe(true)
    expect(() => device.notes()).toThrow(expect.objectContaining({ code: 'DISPOSED' }) as Error)
    compute.dispose()
    for (const each of inputs) each.dispose()
  })

  it('a device that is lost in it says so', async () => {
    open({}, 1, () => {
      driver.submit('multiply', 0, () => undefined)
      return 'CUBLAS_STATUS_EXECUTION_FAILED'
    })
    const original = driver.launch.bind(driver)
    driver.launch = () => {
      driver.launch = original
      throw new TensorError('DEVICE_LOST', 'cuLaunchKernel failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)')
    }
    const inputs = await Promise.all(pair().map((input) => input.to(device)))
    await expect(plain(...(inputs as [Tensor, Tensor])).realize({ device })).rejects.toMatchObject({ code: 'DEVICE_LOST' })
    expect(device.gone).toBe(true)
    inputs.forEach((input) => input.dispose())
  })
})
