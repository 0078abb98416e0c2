import { TensorError } from '../../errors.js'

export interface FoundGpu {
  readonly gpu: GPU
  /** Lets go of what keeps it alive. */
  readonly close?: () => void
}

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
  return Promise.resolve({ gpu })
}
