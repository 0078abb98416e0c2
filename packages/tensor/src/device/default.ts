import type { Device, DeviceName } from './device.js'
import { resolveDevice } from './registry.js'

let chosen: DeviceName | Device | undefined
let resolved: Promise<Device> | undefined
let version = 0

/** Changes with the choice of the default device. */
export const defaultDeviceVersion = (): number => version

/** The device on which graphs without a device of their own run; resolved at first use, never at import. */
export function defaultDevice(): Promise<Device> {
  if (resolved !== undefined) return resolved
  const attempt = resolveDevice(chosen)
  resolved = attempt
  attempt.catch(() => {
    if (resolved === attempt) resolved = undefined // what was missing may be installed by the next try
  })
  return attempt
}

/** Chooses the default device by name or object. Tensors already on another device stay there. */
export function setDefaultDevice(device: DeviceName | Device | undefined): void {
  if (device !== chosen) version++
  chosen = device
  resolved = undefined
}
