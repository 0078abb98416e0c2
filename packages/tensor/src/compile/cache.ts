import type { Device, DeviceBuffer } from '../device/device.js'
import { debugLog, warn } from '../debug/log.js'
import type { Program } from './program.js'
import type { Compile, CompiledProgram } from './plan.js'

const limit = 256

/** One compiled program with the number of plans that may still run it. */
interface Cached {
  readonly program: Program
  readonly compiled: Promise<CompiledProgram>
  users: number
  evicted: boolean
}

interface ProgramCache {
  /** By key, least recently used first. */
  readonly programs: Map<string, Cached>
  /** Programs alike but for their constants, by what they have in common. */
  readonly variants: Map<string, Variants>
  /** Buffers that were frozen when a program was compiled over them. */
  readonly frozen: WeakSet<DeviceBuffer>
}

interface Variants {
  count: number
  /** Constants of the latest, in the order of its nodes. */
  constants: readonly unknown[]
}

const caches = new WeakMap<Device, ProgramCache>()

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
  // Whatever was compiled for it: it says itself what became of it.
  if (device.gone === true) return { program, compiled: compileFor(device, program), users: 0, evicted: true }
  let cache = caches.get(device)
  if (cache === undefined) caches.set(device, (cache = { programs: new Map(), variants: new Map(), frozen: new WeakSet() }))
  const { programs, variants } = cache
  const found = programs.get(program.key)
  if (found !== undefined) {
    programs.delete(program.key)
    programs.set(program.key, found)
    return found
  }
  const compiled = compileFor(device, program)
  const entry: Cached = { program, compiled, users: 0, evicted: false }
  programs.set(program.key, entry)
  for (const { frozen } of program.inputs) if (frozen !== undefined) cache.frozen.add(frozen)
  compiled.catch(() => {
    if (programs.get(program.key) === entry) programs.delete(program.key) // a failure is not worth remembering: memory may be free next time
  })
  countVariants(variants, program)
  for (const [key, oldest] of programs) {
    if (programs.size <= limit) break
    programs.delete(key)
    oldest.evicted = true
    if (oldest.users === 0) disposeEntry(oldest)
  }
  return entry
}

async function compileFor(device: Device, program: Program): Promise<CompiledProgram> {
  const start = performance.now()
  const executable = await device.compile(program)
  debugLog(1, () => `compiled ${program.nodes.length} nodes for ${device.name} in ${(performance.now() - start).toFixed(1)} ms`)
  return { executable, program }
}

function disposeEntry(entry: Cached): void {
  void entry.compiled.then(
    ({ executable }) => executable.dispose(),
    () => undefined,
  )
}

/**
 * Drops a device's programs, leased ones too: for when frozen weights change or go, after which a program over them has
 * nothing left to run on. They are not to be had from now on, and disposed once `after` has ended: what runs them now.
 */
export function clearPrograms(device: Device, which: (program: Program) => boolean, after: readonly Promise<void>[] = []): void {
  const programs = caches.get(device)?.programs
  if (programs === undefined) return
  for (const [key, entry] of programs) {
    if (!which(entry.program)) continue
    programs.delete(key)
    if (after.length === 0) disposeEntry(entry)
    else void Promise.all(after).then(() => disposeEntry(entry))
  }
}

/** Drops the programs over a frozen buffer, as `clearPrograms` does. Most buffers are in none, which is known without looking at every program. */
export function clearProgramsOver(buffer: DeviceBuffer, after: readonly Promise<void>[] = []): void {
  if (caches.get(buffer.device)?.frozen.has(buffer) !== true) return
  clearPrograms(buffer.device, (program) => program.inputs.some(({ frozen }) => frozen === buffer), after)
}

/** Programs that differ only in a number are usually one program that wants an input: the eighth of a kind says so. */
function countVariants(variants: Map<string, Variants>, program: Program): void {
  const nodes = program.nodes.filter(({ op }) => op === 'const')
  if (nodes.length === 0) return
  const key = program.key.replaceAll(/const\(\)\{dtype="(\w+)" value=[^}]*\}/g, 'const $1')
  const constants = nodes.map(({ attrs }) => attrs['value'])
  const known = variants.get(key)
  const differing = known === undefined ? 0 : constants.findIndex((value, i) => !Object.is(value, known.constants[i]))
  if (differing < 0) return // the same once more, after a failure or when it had been evicted
  variants.delete(key)
  variants.set(key, { count: (known?.count ?? 0) + 1, constants })
  for (const oldest of variants.keys()) {
    if (variants.size <= limit) break
    variants.delete(oldest)
  }
  if (known?.count !== 7) return
  const user = program.nodes.find((node) => node.inputs.some((value) => value.node === nodes[differing]))
  if (user !== undefined)
    warn(
      `8 programs differ only in a constant, the last one read by '${user.op}'; each is compiled anew. Pass the number as scalar(x), or make it an argument of a jitted function`,
    )
}
