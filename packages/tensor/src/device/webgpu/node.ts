import { importPackage } from '../import-package.js'
import { findGpu as findOwn, type FoundGpu } from './browser.js'

interface DawnModule {
  create(flags: readonly string[]): GPU
  readonly globals: object
}

/** What `create` gives is collected, and the process crashes, unless something holds it. */
const pinned = new Set<GPU>()

/** A runtime's own, else the npm package `webgpu` (Dawn); the other half of the package import `#webgpu`. */
export async function findGpu(): Promise<FoundGpu> {
  if ((globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu !== undefined) return findOwn()
  const name = 'webgpu' // an optional peer, whose types are those of @webgpu/types
  const { create, globals } = (await importPackage('webgpu', () => import(name) as Promise<unknown>, 'npm install webgpu')) as DawnModule
  for (const [key, value] of Object.entries(globals))
    if (!(key in globalThis)) Object.defineProperty(globalThis, key, { value, configurable: true })
  const gpu = create([])
  pinned.add(gpu)
  return { gpu, close: () => void pinned.delete(gpu) }
}
