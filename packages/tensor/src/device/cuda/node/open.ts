import { cudaTuning } from '../../../kernel/lib/tuning.js'
import type { Device } from '../../device.js'
import { loadKoffi } from '../../onnx/node/ffi.js'
import { openCuda } from '../device.js'
import { cublasLtOptions } from './find-cublaslt.js'
import { openLibcuda } from './libcuda.js'
import { installKoffi } from './library.js'

/**
 * NVIDIA's graphics card by the driver that is installed; one half of the package import `#cuda`.
 *
 * @param driver its path, where it is not looked for
 * @param cublasLt the path of the library for large products, where it is not looked for either; false for none
 */
export async function openCudaDevice(driver?: string, cublasLt?: string | false): Promise<Device> {
  const library = cublasLtOptions(await loadKoffi(installKoffi), cublasLt)
  return openCuda(await openLibcuda(driver), cudaTuning, library)
}
