/**
 * Makes sessions. Frozen weights are declared external in the model and given as OrtValues over device memory: twice,
 * because `AddExternalInitializers` is what the graph optimisers see and `AddInitializer` is what lets sessions share
 * both the bytes and, through one container per set of weights, what ONNX Runtime packed from them.
 */
import { statusError, type OrtApi } from './c-api.js'
import type { Block, BufferPool } from './buffers.js'
import { logFatal, type OrtEnvironment } from './environment.js'
import { addressOf, cStrings, NativeBlock } from './ffi.js'
import { watchPages } from './huge-pages.js'
import { trimAfterPacking } from './trim.js'

const optimizeAll = 99
/**
 * How long the threads of a large program look for work before they sleep, in microseconds. Asleep between any two nodes, a training step of
 * 700 nodes spends a twentieth of its time on waking them; much longer, they would starve whoever else has a turn: decoding of 60 tokens a second took a
 * twentieth longer at 1,000.
 */
const spinMicroseconds = '250'
/** Of the runtimes that were tried, the first that knows how long to spin. */
const spinSince = 30
/** Frozen bytes from which it is worth the milliseconds that it takes to see to the memory of what was packed. */
const largeBytes = 16 * 1024 * 1024
/** Sessions made at the same time: koffi refuses calls beyond a limit, and more would only wait for a core. */
const creatingLimit = 4

export interface FrozenInput {
  readonly name: string
  readonly block: Block
  /** The OrtValue over the block. */
  readonly value: number
  /** The block is made of several inputs. */
  readonly joined?: true
}

export interface SessionOptions {
  readonly threads: number
  /** The program has much to compute, so threads of its own are worth having: those of the shared pool sleep between any two nodes. */
  readonly large: boolean
  /** Keep equal subexpressions apart: a recomputed region would be merged with what it recomputes. */
  readonly keepsDuplicates: boolean
  readonly frozen: readonly FrozenInput[]
  /** Prefix of the file that profiling writes; the file's name is known when profiling ends. */
  readonly profileTo?: string
}

/** Weights packed by ONNX Runtime, shared by the sessions over one set of frozen buffers. */
interface PackedWeights {
  readonly container: number
  readonly blocks: Set<Block>
  sessions: number
}

export class SessionFactory {
  private readonly creating = new Set<Promise<unknown>>()
  private readonly packed = new Map<Block, PackedWeights>()
  private readonly api: OrtApi

  constructor(
    private readonly environment: OrtEnvironment,
    private readonly pool: BufferPool,
  ) {
    this.api = environment.api
  }

  /** Creates a session off the JavaScript thread. The caller releases it through `release`. */
  async create(model: Uint8Array, options: SessionOptions): Promise<number> {
    while (this.creating.size >= creatingLimit) await Promise.race(this.creating)
    const creation = this.createNow(model, options)
    const ended: Promise<unknown> = creation.then(
      () => this.creating.delete(ended),
      () => this.creating.delete(ended),
    )
    this.creating.add(ended)
    return creation
  }

  private async createNow(model: Uint8Array, options: SessionOptions): Promise<number> {
    const { environment } = this
    const pooled = environment.poolThreads === options.threads && !(options.large && this.spins)
    try {
      return await this.attempt(model, options, pooled)
    } catch (error) {
      // Somebody else in the process made the environment first, without the shared pool (the JavaScript binding does).
      if (!pooled || !/thread ?pool/i.test((error as Error).message)) throw error
      environment.poolThreads = 0
      return this.attempt(model, options, false)
    }
  }

  private get spins(): boolean {
    return Number(this.api.version.split('.')[1]) >= spinSince
  }

  release(session: number, frozen: readonly FrozenInput[]): void {
    this.api.call.ReleaseSession(session)
    this.unshare(frozen)
    for (const { block } of frozen) this.pool.unpin(block)
  }

  private async attempt(model: Uint8Array, options: SessionOptions, pooled: boolean): Promise<number> {
    const { api } = this
    const { frozen } = options
    const sessionOptions = api.make('CreateSessionOptions')
    let weights: PackedWeights | undefined
    for (const { block } of frozen) block.pins++
    const frozenBytes = frozen.reduce((bytes, { block }) => bytes + block.size, 0)
    try {
      this.configure(sessionOptions, options, pooled)
      weights = this.giveFrozen(sessionOptions, frozen)
      const copy = new Uint8Array(model) // owned here, so that nobody transfers it while the other thread reads
      const address = addressOf(api.koffi, copy.buffer)
      const cell = new NativeBlock(api.koffi, 8)
      const create = weights === undefined ? api.call.CreateSessionFromArray : api.call.CreateSessionFromArrayWithPrepackedWeightsContainer
      const args = [
        this.environment.env,
        address,
        copy.byteLength,
        sessionOptions,
        ...(weights === undefined ? [] : [weights.container]),
        cell.address,
      ]
      const gather = frozenBytes < largeBytes ? undefined : watchPages(api.koffi)
      const status = await droppingPages(
        frozen,
        new Promise<number>((resolve, reject) => {
          create.async(...args, (error: unknown, value: number) => {
            if (error !== null && error !== undefined) reject(statusError(String(error), 'creating a session'))
            else if (copy.byteLength > 0) resolve(value) // reading `copy` here keeps it alive until now
          })
        }),
      )
      api.check(status, 'creating a session')
      if (gather !== undefined) {
        await trimAfterPacking(api.koffi)
        void gather() // beside the first runs
      }
      return cell.words[0]! + cell.words[1]! * 2 ** 32
    } catch (error) {
      if (weights !== undefined) this.unshare(frozen)
      for (const { block } of frozen) this.pool.unpin(block)
      throw error
    } finally {
      api.call.ReleaseSessionOptions(sessionOptions)
    }
  }

  private configure(handle: number, options: SessionOptions, pooled: boolean): void {
    const { api } = this
    const doing = 'configuring a session'
    const entry = (key: string, value: string): void => api.check(api.call.AddSessionConfigEntry(handle, key, value), doing)
    api.check(api.call.SetSessionLogSeverityLevel(handle, logFatal), doing)
    api.check(api.call.SetSessionGraphOptimizationLevel(handle, optimizeAll), doing)
    if (pooled) api.check(api.call.DisablePerSessionThreads(handle), doing)
    else {
      api.check(api.call.SetIntraOpNumThreads(handle, options.threads), doing)
      api.check(api.call.SetInterOpNumThreads(handle, 1), doing)
      const spins = options.large && this.spins
      entry('session.intra_op.allow_spinning', spins ? '1' : '0')
      if (spins) entry('session.intra_op.spin_duration_us', spinMicroseconds)
      entry('session.inter_op.allow_spinning', '0')
    }
    entry('session.use_env_allocators', '1')
    if (options.keepsDuplicates) entry('optimization.disable_specified_optimizers', 'CommonSubexpressionElimination')
    if (options.profileTo !== undefined) api.check(api.call.EnableProfiling(handle, options.profileTo), doing)
  }

  private giveFrozen(handle: number, frozen: readonly FrozenInput[]): PackedWeights | undefined {
    if (frozen.length === 0) return undefined
    const { api } = this
    const doing = 'giving the frozen weights'
    const names = cStrings(
      api.koffi,
      frozen.map(({ name }) => name),
    )
    const pointers = new NativeBlock(api.koffi, 16 * frozen.length)
    frozen.forEach(({ value }, i) => {
      pointers.setPointer(i, names.addresses[i]!)
      pointers.setPointer(frozen.length + i, value)
    })
    api.check(api.call.AddExternalInitializers(handle, pointers.address, pointers.address + 8 * frozen.length, frozen.length), doing)
    for (const { name, value } of frozen) api.check(api.call.AddInitializer(handle, name, value), doing)
    return this.share(frozen)
  }

  /** The container of a set of weights: the one that any of its buffers already has, else a new one. */
  private share(frozen: readonly FrozenInput[]): PackedWeights {
    let weights: PackedWeights | undefined
    for (const { block } of frozen) if ((weights = this.packed.get(block)) !== undefined) break
    weights ??= { container: this.api.make('CreatePrepackedWeightsContainer'), blocks: new Set(), sessions: 0 }
    for (const { block } of frozen) {
      if (this.packed.has(block)) continue
      this.packed.set(block, weights)
      weights.blocks.add(block)
    }
    weights.sessions++
    return weights
  }

  private unshare(frozen: readonly FrozenInput[]): void {
    const first = frozen[0]
    if (first === undefined) return
    const weights = frozen.map(({ block }) => this.packed.get(block)).find((found) => found !== undefined)
    if (weights === undefined || --weights.sessions > 0) return
    this.api.call.ReleasePrepackedWeightsContainer(weights.container)
    for (const block of weights.blocks) this.packed.delete(block)
  }
}

/** Between two looks at what has been packed meanwhile, in milliseconds. */
const dropEvery = 5

/** While weights are packed, the pages that they were read from are let go again and again: else all of them would be there at the end, beside the packed ones. */
async function droppingPages<T>(frozen: readonly FrozenInput[], packing: Promise<T>): Promise<T> {
  if (frozen.every(({ block }) => block.drop === undefined)) return packing
  const timer = setInterval(() => dropPages(frozen), dropEvery)
  try {
    return await packing
  } finally {
    clearInterval(timer)
    dropPages(frozen)
  }
}

/** Lets the system have the pages of weights that lie in files. */
export function dropPages(frozen: readonly FrozenInput[]): void {
  for (const { block } of frozen) block.drop?.()
}
