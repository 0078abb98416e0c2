/**
 * What was asked of a WebGPU device and what became of it. WebGPU tells of errors later than the calls that make them; here each call has an error scope of its own, so that
 * a failure belongs to the call that made it, and to whatever went on with its results.
 */
import { TensorError } from '../../errors.js'

/** One call: memory asked for, a program run, values copied. */
export class Operation {
  /** Set when it failed, or worked with the results of one that had; known for certain once `settled`. */
  error: TensorError | undefined
  /** Its commands were refused, or worked with what was not there: nothing was written. */
  refused = false
  settled = false
  /** Resolves when it and all before it have settled. */
  done: Promise<void> = Promise.resolve()

  constructor(
    readonly label: string,
    /** Those whose results it works with; forgotten once settled, since chains of them grow without end. */
    public causes: readonly Operation[],
  ) {}
}

type ScopeErrors = readonly [validation: GPUError | null, memory: GPUError | null]

/** The words for what the device says. */
export type DescribeFailure = (label: string, message: string) => TensorError

export interface IssueOptions {
  /** Those whose results the call works with. */
  readonly causes?: readonly Operation[]
  /** What running out of memory is called; default as for every other failure, with the code OUT_OF_MEMORY. */
  readonly outOfMemory?: DescribeFailure
  /** Called when the call has failed, before anybody who waits for it. */
  readonly onFailure?: () => void
}

export class Operations {
  /** Resolves when everything issued so far has settled; never rejects. */
  private tail: Promise<void> = Promise.resolve()
  private ended: TensorError | undefined
  /** Ends what waits for the device, should it go away. */
  private readonly waiting = new Set<(error: TensorError) => void>()
  /** The first failure that nobody has been told of. */
  private untold: TensorError | undefined

  constructor(
    private readonly gpu: GPUDevice,
    /** The device, for messages. */
    private readonly description: string,
  ) {
    // Errors outside all scopes: those of the implementation itself.
    gpu.addEventListener('uncapturederror', ({ error }) => this.note(this.failureOf('a call', error.message, isOutOfMemory(error))))
  }

  /** Runs `commands`, whose errors become the operation's. They return what they worked with, beside the causes given. */
  issue(label: string, commands: () => readonly Operation[] | void, options: IssueOptions = {}): Operation {
    const { gpu } = this
    gpu.pushErrorScope('out-of-memory')
    gpu.pushErrorScope('validation')
    let used: readonly Operation[] | void
    let popped: Promise<ScopeErrors>
    try {
      used = commands()
    } finally {
      popped = Promise.all([gpu.popErrorScope(), gpu.popErrorScope()])
      popped.catch(() => undefined)
    }
    const operation = new Operation(label, [...(options.causes ?? []), ...(used ?? [])].filter(mayMatter))
    // In order, so that what failed first is known by the time its consequences are looked at.
    const before = this.tail
    operation.done = this.tail = this.guard(popped)
      .catch((error: unknown) => (error instanceof TensorError ? error : this.failureOf(label, String(error))))
      .then(async (result) => {
        await before
        this.settle(operation, result, options)
      })
    return operation
  }

  /** A promise of the device's that rejects as well when the device goes away. */
  guard<T>(promise: Promise<T>): Promise<T> {
    if (this.ended !== undefined) {
      promise.catch(() => undefined)
      return Promise.reject(this.ended)
    }
    return new Promise((resolve, reject) => {
      this.waiting.add(reject)
      promise.then(resolve, reject).finally(() => this.waiting.delete(reject))
    })
  }

  /** Resolves when what was issued so far has settled. */
  settled(): Promise<void> {
    return this.tail
  }

  /** The device went away: everything that waits for it rejects, now and from now on. */
  end(error: TensorError): void {
    this.ended ??= error
    for (const reject of [...this.waiting]) reject(this.ended)
    this.waiting.clear()
  }

  /** Marks a failure as told, for whoever is about to throw it. */
  tell<E extends TensorError>(error: E): E {
    if (this.untold === error) this.untold = undefined
    return error
  }

  /** The first failure that nobody was told of, which is told by this. */
  takeUntold(): TensorError | undefined {
    const error = this.untold
    this.untold = undefined
    return error
  }

  private settle(operation: Operation, result: ScopeErrors | TensorError, options: IssueOptions): void {
    const earlier = operation.causes.find(({ error }) => error !== undefined)
    operation.causes = []
    if (result instanceof TensorError) operation.error = result
    else {
      const [validation, memory] = result
      // The commands of one call are refused together when one of them is.
      operation.refused = validation !== null
      if (earlier !== undefined) operation.error = earlier.error
      else if (memory !== null)
        operation.error = options.outOfMemory?.(operation.label, memory.message) ?? this.failureOf(operation.label, memory.message, true)
      else if (validation !== null) operation.error = this.failureOf(operation.label, validation.message)
    }
    operation.settled = true
    if (operation.error === undefined) return
    if (earlier === undefined && operation.error !== this.ended) this.note(operation.error)
    options.onFailure?.()
  }

  private note(error: TensorError): void {
    this.untold ??= error
  }

  private failureOf(label: string, message: string, outOfMemory = false): TensorError {
    return new TensorError(outOfMemory ? 'OUT_OF_MEMORY' : 'RUNTIME', `${this.description}: ${label} failed: ${message.trim()}`)
  }
}

/** Not settled, or failed. */
export const mayMatter = ({ settled, error }: Operation): boolean => !settled || error !== undefined

const isOutOfMemory = (error: GPUError): boolean => error.constructor.name === 'GPUOutOfMemoryError'
