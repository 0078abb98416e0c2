import type { FoundAdapter } from './open.js'

/**
 * The adapter of device 'webgpu', which opening the device asks for anew. Errors: DEVICE. In a file of its own, so that declarations of the package's entry points do not
 * name WebGPU's types, which not every program has.
 */
export async function findWebGpu(): Promise<FoundAdapter> {
  const [{ findGpu }, { findAdapter }] = await Promise.all([import('#webgpu'), import('./open.js')])
  return findAdapter(await findGpu())
}
