import type { Device } from '../device/device.js'
import { debugLog, warn } from '../debug/log.js'
import type { Program } from './program.js'
import type { Compile, CompiledProgram } from './plan.js'

const limit = 256

/** One compiled program with the number of plans that may still run it. */
interface Cached {
  readonly compiled: Promise<CompiledProgram>
  users: number
  evicted: boolean
}

const caches = new WeakMap<Device, Map<string, Cached>>()
const constantVariants = new WeakMap<Device, Map<string, number>>()

/** Programs in use: they are not disposed before `release()`, however many others are compiled. */
export interface ProgramLease {
  readonly compile: Compile
  release(): void
}

/** Compiles programs, or finds equal ones compiled on this device, and keeps them until released. */
export function leasePrograms(device: Device): ProgramLease {
  const held: Cached[] = []
  return {
    compile: (program) => {
      const entry = lookUp(device, program)
      entry.users++
      held.push(entry)
      return entry.compiled
    },
    release: () => {
      for (const entry of held.splice(0)) if (--entry.users === 0 && entry.evicted) disposeEntry(entry)
    },
  }
}

function lookUp(device: Device, program: Program): Cached {
  let cache = caches.get(device)
  if (cache === undefined) caches.set(device, (cache = new Map()))
  const found = cache.get(program.key)
  if (found !== undefined) {
    cache.delete(program.key)
    cache.set(program.key, found)
    return found
  }
  const start = performance.now()
  const compiled = device.compile(program).then((executable) => {
    debugLog(1, () => `compiled ${program.nodes.length} nodes for ${device.name} in ${(performance.now() - start).toFixed(1)} ms`)
    return { executable, program }
  })
  const entry: Cached = { compiled, users: 0, evicted: false }
  cache.set(program.key, entry)
  compiled.catch(() => cache.delete(program.key)) // a failure is not worth remembering: memory may be free next time
  countConstantVariants(device, program)
  for (const [key, oldest] of cache) {
    if (cache.size <= limit) break
    cache.delete(key)
    oldest.evicted = true
    if (oldest.users === 0) disposeEntry(oldest)
  }
  return entry
}

function disposeEntry(entry: Cached): void {
  void entry.compiled.then(
    ({ executable }) => executable.dispose(),
    () => undefined,
  )
}

/**
 * Drops a device's programs now, leased ones too: for when frozen weights change or go, after which a program over them
 * has nothing left to run on.
 */
export async function clearPrograms(device: Device, which: (program: Program) => boolean): Promise<void> {
  const cache = caches.get(device)
  if (cache === undefined) return
  for (const [key, entry] of cache) {
    const compiled = await entry.compiled.catch(() => undefined)
    if (compiled === undefined || !which(compiled.program)) continue
    cache.delete(key)
    compiled.executable.dispose()
  }
}

/** Programs that differ only in a number are usually one program that wants an input. */
function countConstantVariants(device: Device, program: Program): void {
  let counts = constantVariants.get(device)
  if (counts === undefined) constantVariants.set(device, (counts = new Map()))
  const key = program.key.replaceAll(/const\(\)\{dtype="(\w+)" value=[^}]*\}/g, 'const $1')
  const count = (counts.get(key) ?? 0) + 1
  counts.set(key, count)
  if (count !== 8) return
  const constant = program.nodes.find((node) => node.op === 'const')
  const user = constant && program.nodes.find((node) => node.inputs.some((value) => value.node === constant))
  if (user !== undefined)
    warn(`8 programs differ only in a constant, the last one read by '${user.op}'; each is compiled anew. Pass the number as scalar(x), or make it an argument of a jitted function`)
}
