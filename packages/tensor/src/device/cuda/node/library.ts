/** Where NVIDIA's driver lies. It comes with the driver itself and is found by the system's loader, so there is no package to look into. */
import { TensorError } from '../../../errors.js'
import { openLibrary, type Koffi } from '../../onnx/node/ffi.js'

/** Names another file in place of the driver's. */
export const driverVariable = 'TESSERAE_CUDA_DRIVER'
export const installKoffi = 'npm install koffi'
const instead = "Install NVIDIA's driver (the toolkit is not needed), or use device 'webgpu' or 'cpu'"

/** File names to try, best first. `libcuda.so` without a number is left out: the toolkit's stub has that name. */
export function libraryNames(platform: string): readonly string[] {
  if (platform === 'win32') return ['nvcuda.dll']
  // Under Windows' Linux the driver is Windows' own, in a folder that not every distribution's loader knows.
  return platform === 'linux' ? ['libcuda.so.1', '/usr/lib/wsl/lib/libcuda.so.1'] : []
}

export interface FoundLibrary {
  readonly library: ReturnType<Koffi['load']>
  readonly name: string
}

/**
 * Opens the driver's library: `path` or the environment's, else the first that loads.
 * @throws TensorError `DEVICE` with what was looked for and why it did not load
 */
export function findLibrary(koffi: Koffi, path = process.env[driverVariable], platform: string = process.platform): FoundLibrary {
  const named = path !== undefined && path !== ''
  const names = named ? [path] : libraryNames(platform)
  if (names.length === 0)
    throw new TensorError(
      'DEVICE',
      `device 'cuda' needs NVIDIA's driver, which there is for Linux and Windows, not for ${platform}; use 'cpu'`,
    )
  const reasons = new Set<string>()
  for (const name of names) {
    try {
      return { library: openLibrary(koffi, name, instead), name }
    } catch (error) {
      reasons.add(detailOf(error))
    }
  }
  const from = named ? ` (named by the option 'driver' or by ${driverVariable})` : ''
  throw new TensorError(
    'DEVICE',
    `device 'cuda' found no driver: looked for ${names.join(' and ')}${from}. ${[...reasons].map((reason) => `The loader said: ${reason}. `).join('')}${instead}`,
  )
}

/** What the loader said, without what this package put around it. */
export function detailOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]!.replace(/^Failed to load shared library: /, '')
}
