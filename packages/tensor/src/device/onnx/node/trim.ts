/**
 * Memory that the C library keeps after it was freed. To make a session ONNX Runtime copies and packs weights and frees most of it
 * again, on another thread than the one that allocates next: glibc then holds on to as much as the weights take.
 */
import type { Koffi, NativeFunction } from './ffi.js'

let trim: NativeFunction | null | undefined

/** Gives free memory back to the system after a session over large weights was made. Elsewhere than on glibc nothing happens. */
export async function trimAfterPacking(koffi: Koffi): Promise<void> {
  const call = (trim ??= find(koffi))
  if (call === null) return
  await new Promise<void>((resolve) => call.async(0, () => resolve()))
}

function find(koffi: Koffi): NativeFunction | null {
  if (process.platform !== 'linux') return null
  try {
    return koffi.load(null).func('malloc_trim', 'int', ['size_t']) as unknown as NativeFunction
  } catch {
    return null // musl gives memory back by itself
  }
}
