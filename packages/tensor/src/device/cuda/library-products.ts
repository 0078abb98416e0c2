import { sizeOfProduct, stepsOf, type PlainProduct, type ProductSize } from '../../compile/plain-product.js'
import { debugLog } from '../../debug/log.js'
import { TensorError } from '../../errors.js'
import type { SymValues } from '../../shape.js'
import type { CudaDriver, DevicePointer, Handle } from './driver.js'
import type { LibraryOptions, MatrixLibrary, ProductPointers } from './matrix-library.js'

/**
 * 512 rows, steps and columns: a few microseconds on tensor cores, about what a launch takes, so that below it there is little to win and a library's choice of a kernel costs
 * more than the kernel. Not measured.
 */
const LEAST_STEPS = 2 ** 27
/** What was refused is asked again after so many others. */
const MOST_REFUSED = 1024
/** What addresses of the pool and of temporaries are multiples of, and what libraries take for granted. */
const ALIGNMENT = 256

/**
 * A device's products by a library, which is opened when a program first has one that is large enough. The kernel of the same product is always there, so whatever the
 * library does not do is said in the log and done by the kernel.
 */
export class LibraryProducts {
  private library: MatrixLibrary | undefined
  /** Why there is none; undefined while nobody has asked. */
  private reason: string | undefined
  private workspace: DevicePointer = 0
  private readonly refused = new Set<string>()
  private readonly least: number

  constructor(
    private readonly driver: CudaDriver,
    private readonly stream: Handle,
    private readonly options: LibraryOptions | undefined,
  ) {
    this.least = options?.leastSteps ?? LEAST_STEPS
    if (options === undefined) this.reason = 'switched off'
  }

  /** What does large products, for people. Opens the library. */
  describe(): string {
    const library = this.opened()
    return library === undefined
      ? `own kernels; no library: ${this.reason}`
      : `${library.description}, from ${this.least} multiplications on`
  }

  get description(): string {
    return this.library?.description ?? 'no library'
  }

  /** Whether a product may come to be large enough, and there is a library for it. @param maxima the largest values of the program's symbols */
  mayTake(product: PlainProduct, maxima: SymValues): boolean {
    return stepsOf(sizeOfProduct(product, maxima)) >= this.least && this.opened() !== undefined
  }

  /** A product with the values of a run; undefined where the kernel is to do it. */
  sized(product: PlainProduct, values: SymValues): ProductSize | undefined {
    const size = sizeOfProduct(product, values)
    // The kernel ends a last word that is half full, which readers of words count on.
    return stepsOf(size) < this.least || (size.batch * size.rows * size.columns) % 2 !== 0 ? undefined : size
  }

  /** Memory that the library's products use while they run, one after another; 0 where there is none, and kernels run. Not to be called while a stream collects calls. */
  memory(): DevicePointer {
    if (this.library === undefined || this.workspace !== 0) return this.workspace
    const { workspaceBytes } = this.library
    try {
      this.workspace = this.driver.allocAsync(Math.max(ALIGNMENT, workspaceBytes), this.stream)
    } catch (error) {
      if (!TensorError.isInstance(error) || error.code !== 'OUT_OF_MEMORY') throw error
      debugLog(1, () => `large products run as kernels: there are no ${workspaceBytes} bytes for ${this.description}`)
    }
    return this.workspace
  }

  /** Whether the product is on the stream; else its kernel has to be launched. Where the device was lost, that launch says so. */
  multiply(product: ProductSize, at: ProductPointers, workspace: DevicePointer): boolean {
    if (this.library === undefined || this.refused.has(product.key)) return false
    const isAligned = [at.left, at.right, at.result].every((pointer) => pointer % ALIGNMENT === 0)
    const reason = isAligned ? this.library.multiply(product, at, workspace, this.stream) : 'its matrices lie at odd addresses'
    if (reason === undefined) return true
    if (this.refused.size >= MOST_REFUSED) this.refused.clear()
    this.refused.add(product.key)
    debugLog(1, () => `product ${product.key} runs as a kernel; ${this.description}: ${reason}`)
    return false
  }

  /** Gives the memory back, behind what uses it. Graphs that hold its address must be gone. */
  giveBack(): void {
    if (this.workspace !== 0) this.driver.freeAsync(this.workspace, this.stream)
    this.workspace = 0
  }

  /** When the stream has ended. */
  close(): void {
    this.library?.close()
    this.library = undefined
    this.reason = 'the device was disposed'
  }

  private opened(): MatrixLibrary | undefined {
    if (this.library !== undefined || this.reason !== undefined) return this.library
    try {
      this.library = this.options!.open()
      debugLog(1, () => `products from ${this.least} multiplications on run by ${this.description}`)
    } catch (error) {
      this.reason = error instanceof Error ? error.message : String(error)
      debugLog(1, () => `large products run as kernels: ${this.reason}`)
    }
    return this.library
  }
}
