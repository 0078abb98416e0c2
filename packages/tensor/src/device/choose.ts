import type { Device, DeviceKind } from './device.js'
import { tryDevice } from './try.js'

/** A way to compute that was tried and why it failed; `reason` ends with the command that helps. */
export interface DeviceAttempt {
  readonly route: string
  readonly reason: string
}

/** What `'auto'` stands for here. */
export interface DeviceChoice {
  readonly device: Device
  /** Faster devices, and why they are not to be had, the fastest first. */
  readonly passed: readonly DeviceAttempt[]
}

export interface DeviceCandidate {
  readonly name: DeviceKind
  open(): Promise<Device>
}

/** The first that opens and computes a small product correctly. The last is opened in any case, and its error thrown. */
export async function chooseDevice(candidates: readonly DeviceCandidate[]): Promise<DeviceChoice> {
  const passed: DeviceAttempt[] = []
  for (const { name, open } of candidates.slice(0, -1)) {
    try {
      const device = await open()
      await tryDevice(device)
      return { device, passed }
    } catch (error) {
      passed.push({ route: name, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  return { device: await candidates.at(-1)!.open(), passed }
}
