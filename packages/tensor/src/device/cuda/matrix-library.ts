/** What the CUDA device asks of a library of matrix products. `node/libcublaslt.ts` makes the calls of NVIDIA's by FFI; tests put one that computes on the emulator in its place. */
import type { ProductSize } from '../../compile/plain-product.js'
import type { DevicePointer, Handle } from './driver.js'

/** Where the matrices of a product lie: multiples of 256, as the pool and the program's memory have them. */
export interface ProductPointers {
  readonly left: DevicePointer
  readonly right: DevicePointer
  readonly result: DevicePointer
}

/** Its calls are made with the device's context current, on the thread of the driver's. */
export interface MatrixLibrary {
  /** For people: 'cuBLASLt 12.9.3 (libcublasLt.so.12)'. */
  readonly description: string
  /** Bytes of the device's memory that products may use while they run. */
  readonly workspaceBytes: number
  /**
   * Puts a product on a stream, which may be collecting its calls. Sums are f32 and are rounded once.
   *
   * @param workspace address of `workspaceBytes` bytes, a multiple of 256
   * @returns nothing when it is on the stream, else why it is not: then nothing of it is
   */
  multiply(product: ProductSize, at: ProductPointers, workspace: DevicePointer, stream: Handle): string | undefined
  /** Lets go of what calls need; never fails. */
  close(): void
}

/** A library that a device may use, and from which size on. */
export interface LibraryOptions {
  /** Opens it, with the device's context current. @throws TensorError `DEVICE` with the reason where it is not there or refuses the device */
  readonly open: () => MatrixLibrary
  /** Multiplications from which on a product goes to the library; default 2^27. */
  readonly leastSteps?: number
}
