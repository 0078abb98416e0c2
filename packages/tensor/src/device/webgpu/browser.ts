import { TensorError } from '../../errors.js'
import type { FoundGpu } from './open.js'

/** The browser's own; one half of the package import `#webgpu`. */
export function findGpu(): Promise<FoundGpu> {
  const { gpu } = (globalThis as { navigator?: { gpu?: GPU } }).navigator ?? {}
  if (gpu === undefined)
    return Promise.reject(
      new TensorError(
        'DEVICE',
        "this browser has no WebGPU here; it needs https or localhost, and a version that has it. Use device 'cpu'",
      ),
    )
  return Promise.resolve({
    gpu,
    help: 'Switch hardware acceleration on in the settings of the browser, whose page chrome://gpu says what it found',
  })
}
