/** WebGPU for tests: whether it is here, and ways to bring about what happens rarely. */
import type { Device } from '../device/device.js'
import { findWebGpu } from '../device/webgpu/find.js'
import { WebGpuDevice } from '../device/webgpu/device.js'

/** Why there is no WebGPU here; undefined where there is. */
export const noWebGpu: () => Promise<string | undefined> = () =>
  findWebGpu().then(
    () => undefined,
    (error: unknown) => `${error instanceof Error ? error.message : String(error)} (CONTRIBUTING.md says how to run tests of it)`,
  )

/** The device's inside. */
export function webGpuOf(device: Device): WebGpuDevice {
  if (device instanceof WebGpuDevice) return device
  throw new TypeError(`${device.description} is not a WebGPU device`)
}

/** Makes a WebGPU device go away, as a driver that is reset does. */
export const loseDevice = (device: Device): void => webGpuOf(device).gpu.destroy()
