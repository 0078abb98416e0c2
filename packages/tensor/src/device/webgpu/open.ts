import { TensorError } from '../../errors.js'
import { describeAdapter, reportAdapter, type AdapterReport } from './adapter.js'
import { WebGpuDevice, type WebGpuOptions } from './device.js'

/** An implementation of WebGPU. */
export interface FoundGpu {
  readonly gpu: GPU
  /** What to do when it has no adapter. */
  readonly help: string
}

export interface FoundAdapter {
  readonly report: AdapterReport
  /** Errors: DEVICE when the adapter gives no device. An adapter gives one. */
  open(options?: WebGpuOptions): Promise<WebGpuDevice>
}

/** The adapter of an implementation, the fastest where it has several. Errors: DEVICE when it has none. */
export async function findAdapter({ gpu, help }: FoundGpu): Promise<FoundAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) throw new TensorError('DEVICE', `WebGPU found no adapter. ${help}, or use device 'cpu'`)
  const report = reportAdapter(adapter)
  return {
    report,
    async open(options) {
      try {
        return new WebGpuDevice(
          await adapter.requestDevice({ requiredLimits: report.limits, requiredFeatures: [...report.features] }),
          report,
          options,
        )
      } catch (cause) {
        throw new TensorError('DEVICE', `the WebGPU adapter ${describeAdapter(report)} gave no device: ${String(cause)}`, { cause })
      }
    },
  }
}
