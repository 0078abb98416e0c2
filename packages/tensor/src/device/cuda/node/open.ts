import type { Device } from '../../device.js'
import { openCuda } from '../device.js'
import { openLibcuda } from './libcuda.js'

/** NVIDIA's graphics card by the driver that is installed; one half of the package import `#cuda`. `driver` is its path, where it is not looked for. */
export const openCudaDevice = async (driver?: string): Promise<Device> => openCuda(await openLibcuda(driver))
