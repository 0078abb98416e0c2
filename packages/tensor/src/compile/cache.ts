import type { Device } from '../device/device.js'
import { debugLog, warn } from '../debug/log.js'
import type { Program } from './program.js'
import type { CompiledProgram } from './plan.js'

const limit = 256
const caches = new WeakMap<Device, Map<string, Promise<CompiledProgram>>>()
const constantVariants = new WeakMap<Device, Map<string, number>>()

/**
 * Compiles a program, or finds an equal one compiled on this device. Least recently used programs leave when there
 * are more than 256.
 */
export function compileCached(device: Device, program: Program): Promise<CompiledProgram> {
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
  cache.set(program.key, compiled)
  compiled.catch(() => cache.delete(program.key)) // a failure is not worth remembering: memory may be free next time
  countConstantVariants(device, program)
  for (const [key, oldest] of cache) {
    if (cache.size <= limit) break
    cache.delete(key)
    void oldest.then(({ executable }) => executable.dispose(), () => undefined)
  }
  return compiled
}

/** Drops a device's programs, when the device goes or when frozen weights change. */
export async function clearPrograms(device: Device, which: (program: Program) => boolean = () => true): Promise<void> {
  const cache = caches.get(device)
  if (cache === undefined) return
  for (const [key, pending] of cache) {
    const compiled = await pending.catch(() => undefined)
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
