import { functionAttribute, type CudaDriver, type Handle } from './driver.js'

interface Loaded {
  readonly module: Handle
  readonly fn: Handle
  uses: number
}

/** Compiled kernels that no program uses any more, kept for programs to come. */
const MOST_UNUSED = 256

/**
 * Kernels by their text. Each is a module of its own, not one of a program's: programs of one model share most of their kernels, and compiling costs by the kernel and
 * hardly by the module.
 */
export class Modules {
  private readonly loaded = new Map<string, Loaded>()
  private unused = 0

  constructor(
    private readonly driver: CudaDriver,
    private readonly stream: Handle,
  ) {}

  has = (ptx: string): boolean => this.loaded.has(ptx)

  /** The kernel of a text, whose launches will give `sharedBytes` of shared memory; to be released as often as it was asked for. */
  acquire(ptx: string, name: string, sharedBytes: number): Handle {
    let own = this.loaded.get(ptx)
    if (own === undefined) {
      const module = this.driver.moduleLoad(ptx)
      try {
        own = { module, fn: this.driver.moduleFunction(module, name), uses: 0 }
        // More than 48 KiB have to be asked for.
        if (sharedBytes > 0) this.driver.functionSetAttribute(functionAttribute.maxDynamicSharedBytes, own.fn, sharedBytes)
      } catch (error) {
        this.driver.moduleUnload(module)
        throw error
      }
      this.loaded.set(ptx, own)
    } else if (own.uses === 0) this.unused--
    own.uses++
    return own.fn
  }

  release(ptx: string): void {
    const own = this.loaded.get(ptx)
    if (own === undefined || --own.uses > 0) return
    // Behind the others: what was let go of last is kept longest.
    this.loaded.delete(ptx)
    this.loaded.set(ptx, own)
    if (++this.unused > MOST_UNUSED) this.unloadUnused(MOST_UNUSED / 2)
  }

  dispose(): void {
    for (const { module } of this.loaded.values()) this.driver.moduleUnload(module)
    this.loaded.clear()
  }

  private unloadUnused(keep: number): void {
    this.driver.streamSynchronize(this.stream) // they may be running
    for (const [ptx, { module, uses }] of this.loaded) {
      if (this.unused <= keep) return
      if (uses > 0) continue
      this.driver.moduleUnload(module)
      this.loaded.delete(ptx)
      this.unused--
    }
  }
}
