// Rows of `npm run smoke:cuda`: products by cuBLASLt, where it is there. The shapes at the edges of products by tensor cores, all that are products and nothing besides by the
// library whatever their size; and larger ones, with the library and without it, which have to agree. On a card both are timed.
import { jit, type Device, type Tensor } from '@tesserae/tensor'
import { setDebug } from '../../packages/tensor/src/debug/log.js'
import { openCuda } from '../../packages/tensor/src/device/cuda/device.js'
import type { LibraryOptions } from '../../packages/tensor/src/device/cuda/matrix-library.js'
import { cublasLtOptions } from '../../packages/tensor/src/device/cuda/node/find-cublaslt.js'
import { openLibcuda } from '../../packages/tensor/src/device/cuda/node/libcuda.js'
import { emulatedDriver } from '../../packages/tensor/src/device/cuda/testing/driver.js'
import { emulatedLibrary } from '../../packages/tensor/src/device/cuda/testing/matrix-library.js'
import { loadKoffi } from '../../packages/tensor/src/device/onnx/node/ffi.js'
import { cudaTuning } from '../../packages/tensor/src/kernel/lib/tuning.js'
import { numbers } from '../../packages/tensor/src/testing/edge.js'
import { matrixEdges } from '../../packages/tensor/src/testing/matrix-edges.js'
import { row, type Row } from '../acceptance/lib/row.js'

const title = 'products by cuBLASLt, and the same by kernels'
/** What both round their sums to, and what the order of sums may change before: two steps of a bf16, of which f16 has eight. */
const TOLERANCE = { f16: 2 ** -9, bf16: 2 ** -6 }

type Multiply = (a: Tensor, b: Tensor) => Tensor

/** @param onCard false on the emulator, with a library of the tests' own */
export async function libraryProducts(driver: string | undefined, onCard: boolean): Promise<Row> {
  const [found, kernels] = onCard ? await onThisCard(driver) : onEmulator()
  try {
    const note = found.notes?.()[0] ?? ''
    if (note.includes('no library')) return row(title, 'none', 'none', true, note)
    const problems: string[] = []
    // What the library does not take is no problem: a kernel does. It is told all the same.
    const refused: string[] = []
    setDebug(1, (line) => {
      if (line.includes('runs as a kernel')) refused.push(line)
    })
    for (const { name, check } of matrixEdges) {
      const problem = await check(found).catch(String)
      if (problem !== undefined) problems.push(`${name}: ${problem}`)
    }
    let count = matrixEdges.length
    const size = onCard ? 1024 : 48
    for (const dtype of ['f16', 'bf16'] as const)
      for (const transA of [false, true])
        for (const transB of [false, true]) {
          count++
          const difference = await apart(dtype, size, [found, kernels], (a, b) => a.matmul(b, { transA, transB }))
          if (!(difference <= TOLERANCE[dtype]))
            problems.push(`${dtype} ${size}³, transposed ${transA} and ${transB}: ${difference} of the largest apart from the kernel's`)
        }
    setDebug(0)
    for (const line of [...problems, ...new Set(refused)]) console.log(line)
    const times = onCard ? `; f16 4096³ in ${await timed(found)} ms, by the kernel in ${await timed(kernels)}` : ''
    const said = `${note}; ${new Set(refused).size} refused${times}`
    return row(title, `${count}`, `${count - problems.length}`, problems.length === 0, problems[0] ?? said)
  } finally {
    setDebug(0)
    await found.dispose()
    await kernels.dispose()
  }
}

/** A device that leaves products of any size to the library, and one without it. */
async function onThisCard(driver: string | undefined): Promise<readonly [Device, Device]> {
  const library = cublasLtOptions(await loadKoffi(), undefined)
  const all: LibraryOptions | undefined = library && { ...library, leastSteps: 1 }
  return [openCuda(await openLibcuda(driver), cudaTuning, all), openCuda(await openLibcuda(driver))]
}

function onEmulator(): readonly [Device, Device] {
  const emulated = emulatedDriver()
  return [openCuda(emulated, cudaTuning, { open: () => emulatedLibrary(emulated), leastSteps: 1 }), openCuda(emulatedDriver())]
}

const operands = (dtype: 'f16' | 'bf16', size: number): readonly [Tensor, Tensor] => [
  numbers([size, size], 0.37, dtype),
  numbers([size, size], 0.71, dtype),
]

/** How far the results of two devices are apart at most, as part of the largest of them. */
async function apart(dtype: 'f16' | 'bf16', size: number, devices: readonly [Device, Device], multiply: Multiply): Promise<number> {
  const resultOf = async (device: Device): Promise<ArrayLike<number>> => {
    using result = await multiply(...operands(dtype, size)).realize({ device })
    return result.data()
  }
  const [a, b] = [await resultOf(devices[0]), await resultOf(devices[1])]
  let [difference, largest] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!))
    largest = Math.max(largest, Math.abs(b[i]!))
  }
  return difference / largest
}

/** Milliseconds of a product of 4096 rows, steps and columns, of many behind each other. */
async function timed(device: Device): Promise<string> {
  const compute = jit((a: Tensor, b: Tensor): Tensor => a.matmul(b), { device })
  const [a, b] = await Promise.all(operands('f16', 4096).map((operand) => operand.to(device)))
  const run = async (times: number): Promise<number> => {
    const start = performance.now()
    for (let i = 0; i < times; i++) (await compute.run([a!, b!])).dispose()
    await device.sync()
    return (performance.now() - start) / times
  }
  await run(5)
  const ms = await run(50)
  for (const each of [compute, a!, b!]) each.dispose()
  return ms.toFixed(3)
}
