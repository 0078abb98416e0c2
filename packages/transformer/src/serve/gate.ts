/** Who may compute now, who waits, and who is turned away. */
import { AbortedError } from '@tesserae/core'
import { ApiError } from './api-error.js'

/** One place, asked for. */
export interface Ticket {
  /** Resolves when it is this one's turn. Errors: AbortError. */
  turn(signal: AbortSignal): Promise<void>
  /** Gives the place back, whether its turn came or not. */
  release(): void
}

/** First come, first served: so many at a time, so many in line. */
export class Gate {
  running = 0
  private readonly line = new Set<() => void>()
  /** Places promised to those that do not stand in line yet. */
  private promised = 0
  /** Seconds that one place is held, on average over the last some. */
  private seconds = 1

  constructor(
    private readonly limits: { readonly concurrency: number; readonly queue: number },
    private readonly now: () => number = () => performance.now() / 1000,
  ) {}

  get waiting(): number {
    return this.line.size + this.promised
  }

  /** Places for `count` answers. Errors: ApiError 429 with the seconds after which it may be worth to ask again. */
  enter(count: number): Ticket[] {
    const { concurrency, queue } = this.limits
    const taken = this.running + this.waiting
    if (taken + count > concurrency + queue)
      throw new ApiError(`the server is busy: ${this.running} answers are made and ${this.waiting} wait; ask again later`, {
        status: 429,
        code: 'queue_full',
        retryAfter: Math.min(60, Math.max(1, Math.ceil((this.seconds * (taken + count - queue)) / concurrency))),
      })
    this.promised += count
    return Array.from({ length: count }, () => this.ticket())
  }

  private ticket(): Ticket {
    let state: 'promised' | 'waiting' | 'running' | 'gone' = 'promised'
    let call: (() => void) | undefined
    let began = 0
    const start = (): void => {
      state = 'running'
      this.running++
      began = this.now()
    }
    return {
      turn: async (signal) => {
        if (state !== 'promised') throw new Error('a ticket is good for one turn')
        this.promised--
        state = 'waiting'
        if (this.running < this.limits.concurrency && this.line.size === 0) return start()
        await new Promise<void>((resolve, reject) => {
          const gone = (): void => {
            this.line.delete(call!)
            reject(new AbortedError('Waiting for a turn was aborted by its signal', { cause: signal.reason }))
          }
          call = () => {
            signal.removeEventListener('abort', gone)
            start()
            resolve()
          }
          if (signal.aborted) return gone()
          this.line.add(call)
          signal.addEventListener('abort', gone, { once: true })
        })
      },
      release: () => {
        if (state === 'promised') this.promised--
        if (state === 'waiting' && call !== undefined) this.line.delete(call)
        if (state === 'running') {
          this.running--
          this.seconds += (this.now() - began - this.seconds) / 16
          this.next()
        }
        state = 'gone'
      },
    }
  }

  private next(): void {
    const [first] = this.line
    if (first === undefined || this.running >= this.limits.concurrency) return
    this.line.delete(first)
    first()
  }
}
