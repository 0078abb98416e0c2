import type { Device, DeviceName } from './device.js'
import { resolveDevice } from './registry.js'

let chosen: DeviceName | Device | undefined
let resolved: Promise<Device> | undefined
/** What was resolved last. */
let current: Device | undefined
let version = 0

/** Changes with the choice of the default device, and when that device is gone. */
export function defaultDeviceVersion(): number {
  renew()
  return version
}

/** The device on which graphs without a device of their own run; resolved at first use, never at import, and again when it was lost. */
export function defaultDevice(): Promise<Device> {
  renew()
  if (resolved !== undefined) return resolved
  const attempt = resolveDevice(chosen)
  resolved = attempt
  attempt.then(
    (device) => {
      if (resolved === attempt) current = device
    },
    () => {
      if (resolved === attempt) resolved = undefined // what was missing may be installed by the next try
    },
  )
  return attempt
}

/** A device chosen by name may be opened again; one that was given as an object is whose it is. */
function renew(): void {
  if (current?.gone !== true || typeof chosen === 'object') return
  version++
  current = undefined
  resolved = undefined
}

/** Chooses the default device by name or object. Tensors already on another device stay there. */
export function setDefaultDevice(device: DeviceName | Device | undefined): void {
  if (device !== chosen) version++
  chosen = device
  resolved = undefined
  current = undefined
}
