import { resolveDevice, type Device } from '@tesserae/tensor'
import type { Calls, Tasks } from './protocol.js'

/** Most threads for models this small: beyond it waiting costs more than it saves. */
const mostThreads = 4

let opened: Promise<Device> | undefined

/** The device that everything here computes on. Opening it fetches the WebAssembly; after a failure the next call tries again. */
export function device(): Promise<Device> {
  const threads = globalThis.crossOriginIsolated ? Math.max(1, Math.min(mostThreads, navigator.hardwareConcurrency)) : 1
  opened ??= resolveDevice('cpu', { threads }).catch((error: unknown) => {
    opened = undefined
    throw error
  })
  return opened
}

export const deviceTasks: Tasks<Pick<Calls, 'device.describe'>> = {
  async 'device.describe'() {
    const { description, caps } = await device()
    return { description, threads: caps.threads ?? 1, isolated: globalThis.crossOriginIsolated }
  },
}
