/** The whole way from a tensor to the calls of the driver, through the FFI, on a library that takes the place of the driver's. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { castNumber } from '../../../dtype.js'
import { sym, tensor } from '../../../index.js'
import { jit } from '../../../transform/jit.js'
import type { Tensor } from '../../../tensor.js'
import { resolveDevice } from '../../registry.js'
import { buildFake, buildFakeCublasLt, canBuildFake, noCompiler, type Fake } from '../testing/fake.js'

let fake: Fake
beforeAll(() => {
  if (canBuildFake) fake = buildFake()
})
afterAll(() => {
  if (canBuildFake) fake[Symbol.dispose]()
})
const launches = (lines: readonly string[]): string[] =>
  lines.filter((line) => /^cu(LaunchKernel|GraphLaunch|GraphInstantiate)/.test(line)).map((line) => line.replace(/ extra none/, ''))

describe.skipIf(!canBuildFake)(`device 'cuda' through the FFI${canBuildFake ? '' : `: skipped, ${noCompiler}`}`, () => {
  it('compiles, copies, launches, replays and lets go', async () => {
    const device = await resolveDevice('cuda', { driver: fake.path })
    expect(device.description).toBe(`Fake µ-GPU, compute capability 7.5, 24.0 GiB (${fake.path}, CUDA 12.4)`)
    expect(await resolveDevice('cuda', { driver: fake.path })).toBe(device)
    const n = sym('n', { max: 1000 })
    const step = jit((x: Tensor) => x.slice(0, 0, n).mul(2).cumsum(0).exp(), { device })
    using x = await tensor(new Float32Array(1000 * 3), { shape: [1000, 3] }).realize({ device })
    fake.log()
    const seen: { launches: string[]; copies: number }[] = []
    for (const count of [5, 5, 300]) {
      using _ = await step.run([x], { symbols: new Map([[n, count]]) })
      const lines = fake.log()
      seen.push({ launches: launches(lines), copies: lines.filter((line) => line.startsWith('cuMemcpyHtoDAsync')).length })
    }
    // 15 and 900 elements by 256 threads: 1 workgroup, and 4. Numbers are sent where they have changed.
    const grids = (x: number): unknown =>
      expect.arrayContaining([expect.stringMatching(`^cuLaunchKernel \\w+ grid ${x}x1x1 block 256x1x1 shared 0$`)])
    expect(seen[0]).toEqual({ launches: grids(1), copies: 2 }) // and x itself
    expect(seen[1]).toMatchObject({ copies: 0 })
    expect(seen[2]).toEqual({ launches: grids(4), copies: 1 })
    step.dispose()
    x.dispose()
    await device.dispose()
    expect({ bytes: fake.liveBytes(), handles: fake.liveHandles() }).toEqual({ bytes: 0, handles: 0 })
  })

  it('multiplies large halves by a library where it is there, and as a kernel where it is not', async () => {
    using products = buildFakeCublasLt()
    const multiplied = (): string[] => products.log().filter((line) => line.startsWith('cublasLtMatmul '))
    const [rows, inner, columns] = [512, 512, 512]
    const value = (i: number): number => ((i * 5) % 7) - 3
    const matrix = (shape: readonly [number, number]): Tensor =>
      tensor(
        Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => value(i)),
        { shape, dtype: 'f16' },
      )
    const device = await resolveDevice('cuda', { driver: fake.path, cublasLt: products.path })
    const kernels = await resolveDevice('cuda', { driver: fake.path, cublasLt: false })
    expect(kernels).not.toBe(device)
    fake.log()
    {
      using result = await matrix([rows, inner])
        .matmul(matrix([inner, columns]))
        .realize({ device })
      const found = await result.data()
      expect(launches(fake.log())).toEqual([])
      for (const [row, column] of [
        [0, 0],
        [511, 510],
        [37, 123],
      ] as const) {
        let sum = 0
        for (let k = 0; k < inner; k++) sum += value(row * inner + k) * value(k * columns + column)
        expect(found[row * columns + column]).toBe(castNumber('f16', sum))
      }
      expect(multiplied()).toEqual(['cublasLtMatmul 1 0, workspace 33554432'])
      using small = await matrix([rows, inner])
        .matmul(matrix([inner, columns / 2]))
        .realize({ device })
      using own = await matrix([rows, inner])
        .matmul(matrix([inner, columns]))
        .realize({ device: kernels })
      expect([small.shape, own.shape]).toEqual([
        [rows, columns / 2],
        [rows, columns],
      ])
      expect(launches(fake.log())).toHaveLength(2)
      expect(multiplied()).toEqual([])
    }
    await kernels.dispose()
    await device.dispose()
    expect([products.liveHandles(), fake.liveHandles(), fake.liveBytes()]).toEqual([0, 0, 0])
  })

  it('waits without blocking the event loop', async () => {
    const device = await resolveDevice('cuda', { driver: fake.path })
    const buffer = device.alloc(8)
    device.write(buffer, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    fake.setUnready(60)
    let turns = 0
    const turn = (): void => {
      turns++
      next = setImmediate(turn)
    }
    let next = setImmediate(turn)
    expect([...(await device.read(buffer, 5))]).toEqual([1, 2, 3, 4, 5])
    clearImmediate(next)
    expect(turns).toBeGreaterThan(0)
    device.free(buffer)
    await device.dispose()
  })

  it('tells of a device that was lost while something waited, and opens it again', async () => {
    const device = await resolveDevice('cuda', { driver: fake.path })
    const buffer = device.alloc(8)
    fake.fail('cuEventQuery', 1, 700)
    await expect(device.read(buffer)).rejects.toMatchObject({
      code: 'DEVICE_LOST',
      message: expect.stringMatching(
        /^Fake µ-GPU.* was lost: cuEventQuery failed: CUDA_ERROR_ILLEGAL_ADDRESS \(700\)\. Open a device again/,
      ) as string,
    })
    expect(() => device.alloc(4)).toThrow(expect.objectContaining({ code: 'DEVICE_LOST' }) as Error)
    device.free(buffer)
    const again = await resolveDevice('cuda', { driver: fake.path })
    expect(again).not.toBe(device)
    again.free(again.alloc(4))
    await device.dispose()
    await again.dispose()
  })
})
