import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, it } from 'vitest'
import { jit, leakReport, referenceDevice, setDebug, tensor, type Tensor } from '../index.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const device = referenceDevice()
const lines: string[] = []
afterEach(() => setDebug(0))

const makeRow = async (): Promise<Tensor> => tensor([1, 2, 3]).to(device)

it('names what was not disposed, and where it was made', async () => {
  setDebug(1, (line) => lines.push(line))
  const before = leakReport().tensors.length
  const row = await makeRow()
  using sums = await jit(
    function total(x: Tensor) {
      return x.sum()
    },
    { device },
  )(row)
  const report = leakReport()
  expect(report.tensors).toHaveLength(before + 2)
  expect(report.tensors[0]).toMatchObject({ type: 'f32[3]', bytes: 12, device: 'reference' })
  expect(report.tensors[0]!.madeAt.join('\n')).toMatch(/makeRow|leaks\.test/)
  expect(report.bytes).toBe(16)
  expect(String(report)).toMatch(/^2 tensors hold 16 bytes\nf32\[3\], 12 bytes on reference, made at .*leaks\.test/)
  row.dispose()
  sums.dispose()
  expect(leakReport().tensors).toHaveLength(before)
})

it('knows nothing of what was made while debugging was off', async () => {
  setDebug(0)
  using row = await makeRow()
  expect(row.realized).toBe(true)
  expect(String(leakReport())).toBe('0 tensors hold 0 bytes')
})

it('leads to the call of a jitted function and to what is computed', async () => {
  setDebug(1, (line) => lines.push(line))
  using row = await makeRow()
  using f = jit((x: Tensor) => x.mul(2), { device })
  for (let i = 0; i < 2; i++) {
    using product = await f(row)
    using sum = await product.add(1).realize()
    expect(leakReport().tensors.map(({ madeAt }) => madeAt[0])).toEqual(Array(3).fill(expect.stringContaining('leaks.test')))
    expect(sum.realized).toBe(true)
  }
})

it('tells of tensors that the garbage collector had to free', async () => {
  setDebug(1, (line) => lines.push(line))
  lines.length = 0
  await (async () => {
    await (await makeRow()).data()
  })()
  for (let i = 0; i < 50 && lines.length === 0; i++) {
    collectGarbage()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(lines[0]).toMatch(/a tensor f32\[3\] \(12 bytes on reference\) was collected without dispose\(\); made at .*leaks\.test/)
  expect(leakReport().tensors).toEqual([])
  expect(device.memory().liveBuffers).toBe(0)
})
