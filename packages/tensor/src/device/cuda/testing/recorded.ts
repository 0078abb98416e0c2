/** A driver that writes down which calls are made, and fails those that it is told to, before another that makes them. */
import type { CudaDriver } from '../driver.js'
import { cudaError } from '../status.js'

type Call = {
  [Name in keyof CudaDriver]-?: Required<CudaDriver>[Name] extends (...args: never[]) => unknown ? Name : never
}[keyof CudaDriver]

export interface Recorded {
  readonly driver: CudaDriver
  /** Names of the calls since the last look, but for `contextSetCurrent`, which comes before nearly all. */
  calls(): string[]
  /** The call of that name after the next `skip` gives the status instead, `times` times. */
  fail(name: Call, status: number, options?: { readonly skip?: number; readonly times?: number }): void
  /** What was made and not destroyed, in words. */
  held(): string[]
}

const makers: Readonly<Record<string, string>> = {
  primaryContextRetain: 'context',
  moduleLoad: 'module',
  streamCreate: 'stream',
  allocAsync: 'memory',
  hostAlloc: 'pinned',
  eventCreate: 'event',
  captureEnd: 'graph',
  graphInstantiate: 'executable',
}
const enders: Readonly<Record<string, string>> = {
  primaryContextRelease: 'context',
  moduleUnload: 'module',
  streamDestroy: 'stream',
  freeAsync: 'memory',
  hostFree: 'pinned',
  eventDestroy: 'event',
  graphDestroy: 'graph',
  graphExecutableDestroy: 'executable',
}

export function recorded(inner: CudaDriver): Recorded {
  let calls: string[] = []
  const held = new Map<string, number>()
  const failing = new Map<string, { skip: number; times: number; readonly status: number }>()
  const count = (kind: string | undefined, change: number): void => {
    if (kind !== undefined) held.set(kind, (held.get(kind) ?? 0) + change)
  }
  const driver = new Proxy(inner, {
    get(target, name: string) {
      const own = (target as unknown as Record<string, unknown>)[name]
      if (typeof own !== 'function') return own
      return (...args: unknown[]): unknown => {
        if (name !== 'contextSetCurrent') calls.push(name)
        const told = failing.get(name)
        if (told !== undefined && told.skip-- <= 0) {
          if (--told.times === 0) failing.delete(name)
          throw cudaError(name, 'as told', told.status, 'TOLD')
        }
        const result: unknown = own.apply(target, args)
        count(makers[name], 1)
        count(enders[name], -1)
        return result
      }
    },
  })
  return {
    driver,
    calls() {
      const made = calls
      calls = []
      return made
    },
    fail: (name, status, { skip = 0, times = 1 } = {}) => void failing.set(name, { skip, times, status }),
    held: () => [...held].flatMap(([kind, left]) => (left === 0 ? [] : [`${left} ${kind}`])),
  }
}
