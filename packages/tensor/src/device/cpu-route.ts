import type { Device } from './device.js'

export interface CpuOptions {
  /** Threads that a run computes with; default all that the machine has. Part of what makes results bit-equal. */
  readonly threads?: number
  /** Path of an ONNX Runtime library (1.20 or newer) for the C API, instead of onnxruntime-node's. Node only. */
  readonly library?: string
}

/** One way to compute on the CPU. */
export interface CpuRoute {
  readonly name: 'c-api' | 'binding' | 'web'
  /** For people: "ONNX Runtime's C API". */
  readonly title: string
  /** Opens the device, having checked that it runs. Throws a TensorError that says what is missing and which command helps. */
  open(options: CpuOptions): Promise<Device>
}
