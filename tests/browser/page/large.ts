/** Models on a WebGPU device as if it bound so little at a time that their weights take several bindings, and several buffers. */
import type { Device } from '@tesserae/tensor'
import { createModel, initWeights, llama, randomWindows, train } from '@tesserae/transformer'
import type { WebGpuDevice, WebGpuOptions } from '../../../packages/tensor/src/device/webgpu/device.js'
import { findWebGpu } from '../../../packages/tensor/src/device/webgpu/find.js'
import { checkTable } from '../../../packages/tensor/src/testing/op-table.js'

type Limits = NonNullable<WebGpuOptions['limits']>

/** A device of its own, and how many of its kernels reached an array in ranges, so that it shows whether anything was split. */
export async function openCut(limits: Limits): Promise<{ readonly device: WebGpuDevice; readonly splitKernels: () => number }> {
  const device = await (await findWebGpu()).open({ limits })
  const { gpu } = device
  const create = gpu.createShaderModule.bind(gpu)
  let split = 0
  Object.assign(gpu, {
    createShaderModule: (descriptor: GPUShaderModuleDescriptor) => {
      if (descriptor.code.includes('_range1x')) split++
      return create(descriptor)
    },
  })
  return { device, splitKernels: () => split }
}

const config = llama({ vocabSize: 61, width: 32, layers: 1, heads: 4, kvHeads: 2, hidden: 48, context: 64 })

async function generated(device: Device): Promise<readonly number[]> {
  using model = await createModel({ config, weights: initWeights(config, { seed: 4 }), device })
  return (await model.generate([1, 2, 3, 4, 5], { maxTokens: 24 })).ids
}

async function losses(device: Device): Promise<number[]> {
  const data = randomWindows(
    Int32Array.from({ length: 400 }, (_, i) => (7 * i * i + 3 * i + 1) % 61),
    { rows: 2, length: 16, seed: 1 },
  )
  using run = train({ config, weights: initWeights(config, { seed: 4 }), data, steps: 3, learningRate: 1e-2, device })
  const found: number[] = []
  for await (const { loss } of run) found.push(loss)
  return found
}

/** The same generation and, where asked, the same training steps with these limits and on another device; what is left on the device afterwards. */
export async function largeWeights(limits: Limits, reference: Device, trains: boolean) {
  const { device, splitKernels } = await openCut(limits)
  const ids = [await generated(device), await generated(reference)]
  const split = splitKernels()
  const [own, expected] = trains ? [await losses(device), await losses(reference)] : [[], []]
  const apart = Math.max(0, ...own.map((loss, i) => Math.abs(loss - expected[i]!)))
  await device.sync()
  const { liveBytes } = device.memory()
  await device.dispose()
  return { same: ids[0]!.join() === ids[1]!.join(), split, splitInTraining: splitKernels() - split, steps: own.length, apart, liveBytes }
}

/** The first sample of rows with these limits. */
export async function largeSamples(limits: Limits, rows?: readonly string[]) {
  const { device, splitKernels } = await openCut(limits)
  const { count, problems } = await checkTable(device, { first: true, without: 'f64', ...(rows === undefined ? {} : { rows }) })
  await device.dispose()
  return { count, problems, split: splitKernels() }
}
