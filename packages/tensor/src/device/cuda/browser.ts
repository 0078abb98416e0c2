import { TensorError } from '../../errors.js'
import type { Device } from '../device.js'

/** A page reaches graphics cards by WebGPU only; the other half of the package import `#cuda`. */
export const openCudaDevice = (_driver?: string, _cublasLt?: string | false): Promise<Device> =>
  Promise.reject(
    new TensorError(
      'DEVICE',
      "device 'cuda' needs NVIDIA's driver, which browsers do not give: it is for Node. Use device 'webgpu' or 'cpu'",
    ),
  )
