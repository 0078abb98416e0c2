/** Where NVIDIA's library of matrix products lies. It comes with the toolkit, or with a package of Python's; nothing here needs it. */
import { warn } from '../../../debug/log.js'
import { TensorError } from '../../../errors.js'
import { openLibrary, type Koffi } from '../../onnx/node/ffi.js'
import type { LibraryOptions, MatrixLibrary } from '../matrix-library.js'
import { openLibcublasLt } from './libcublaslt.js'
import { detailOf } from './library.js'

/** Names the library's file, or is `off`. */
export const cublasLtVariable = 'TESSERAE_CUBLASLT'

/** From the newest on; a library that needs a newer driver than there is refuses the device, and the next is tried. */
const versions = [13, 12, 11]

/** File names to try, best first. */
export function cublasLtNames(platform: string): readonly string[] {
  if (platform === 'win32') return versions.map((version) => `cublasLt64_${version}.dll`)
  if (platform !== 'linux') return []
  const names = versions.map((version) => `libcublasLt.so.${version}`)
  // The toolkit's own installer leaves it to its user to tell the loader of this folder.
  return [...names, ...names.map((name) => `/usr/local/cuda/lib64/${name}`)]
}

/**
 * How a device finds the library when it first has use for it.
 *
 * @param setting a path, `false` for none, or undefined for what the environment says, else for what the system's loader finds
 * @returns undefined where it is switched off
 */
export function cublasLtOptions(
  koffi: Koffi,
  setting: string | false | undefined,
  environment = process.env[cublasLtVariable],
  platform: string = process.platform,
): LibraryOptions | undefined {
  const said = setting ?? (environment === '' ? undefined : environment)
  if (said === false || (setting === undefined && said === 'off')) return undefined
  const open = (): MatrixLibrary => {
    const names = said === undefined ? cublasLtNames(platform) : [said]
    const missing = new Set<string>()
    const refused: string[] = []
    for (const name of names) {
      let library
      try {
        library = openLibrary(koffi, name)
      } catch (error) {
        missing.add(detailOf(error))
        continue
      }
      try {
        return openLibcublasLt(koffi, library, name)
      } catch (error) {
        if (!TensorError.isInstance(error)) throw error
        refused.push(error.message)
      }
    }
    const reason =
      names.length === 0
        ? `cuBLASLt is for Linux and Windows, not for ${platform}`
        : refused.length > 0
          ? refused.join('; ')
          : `looked for ${names.join(', ')}; the loader said: ${[...missing].join('; ')}`
    // Who names a file wants it; who does not need not know that there is such a thing.
    if (said !== undefined)
      warn(`cuBLASLt is not used, as named by the option 'cublasLt' or by ${cublasLtVariable}: ${reason}. Large products run as kernels`)
    throw new TensorError('DEVICE', reason)
  }
  return { open }
}
