import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { importPackage } from '../../import-package.js'
import { findGpu as findOwn } from '../browser.js'
import type { FoundGpu } from '../open.js'

interface DawnModule {
  create(flags: readonly string[]): GPU
  readonly globals: object
}

/** What `create` gives is collected, and the process crashes, unless something holds it; one is enough for all devices. */
let pinned: GPU | undefined

const help =
  process.platform === 'linux'
    ? 'Install a Vulkan driver, of the graphics card or one in software (Debian, Ubuntu: apt-get install mesa-vulkan-drivers); VK_ICD_FILENAMES names one that is not found'
    : 'Install the driver of the graphics card'

/**
 * A runtime's own, else the npm package `webgpu` (Dawn); the other half of the package import `#webgpu`. The environment's TESSERAE_WEBGPU_NODE names a folder with
 * `node_modules/webgpu` where the package is not among this one's.
 */
export async function findGpu(): Promise<FoundGpu> {
  if ((globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu !== undefined) return findOwn()
  pinned ??= await load()
  return { gpu: pinned, help }
}

/** Dawn, from the package `webgpu` of a folder, else from where this package finds it. Errors: DEVICE with the command that helps. */
export async function load(folder: string | undefined = process.env['TESSERAE_WEBGPU_NODE']): Promise<GPU> {
  const elsewhere = folder !== undefined && folder !== ''
  const name = 'webgpu' // an optional peer, whose types are those of @webgpu/types
  const open = (): Promise<unknown> =>
    import(elsewhere ? pathToFileURL(createRequire(join(resolve(folder), 'package.json')).resolve(name)).href : name) as Promise<unknown>
  const command = `npm install webgpu${elsewhere ? ` --prefix ${folder}` : ''}`
  const { create, globals } = (await importPackage(name, async () => open(), command)) as DawnModule
  for (const [key, value] of Object.entries(globals))
    if (!(key in globalThis)) Object.defineProperty(globalThis, key, { value, configurable: true })
  return create([])
}
