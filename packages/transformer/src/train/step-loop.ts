import { throwIfAborted } from '@tesserae/core'
import { turns } from '../generate/turn.js'

export interface StepLoopOptions {
  /** The function that starts the run, for messages: `train`. */
  readonly name: string
  /** What the run is called where it has ended: `training`. */
  readonly kind: string
  /** Makes the error of a refusal: OPTION for a second loop at the same time, DISPOSED after the end. */
  readonly refuse: (code: 'OPTION' | 'DISPOSED', message: string) => Error
  /** Stops between steps with an error named AbortError. */
  readonly signal: AbortSignal | undefined
}

/**
 * What every training run does around its steps, whatever it trains: iterate it to train, leave the loop to pause, iterate again to go on; one loop at a time;
 * `release()` hands over what was trained, `dispose()` frees that too. Trainers extend it by their steps.
 */
export abstract class StepLoop<Event, Kept> implements AsyncIterable<Event>, Disposable {
  private gone = false
  private running = false

  protected constructor(private readonly loop: StepLoopOptions) {}

  /** What is trained, as it is now: what `release()` hands over. */
  protected abstract kept(): Kept
  /** What has to be waited for before the first step of each loop. */
  protected abstract begin(): Promise<void>
  protected abstract isDone(): boolean
  protected abstract advance(): Promise<Event>
  /** Frees everything but what is trained. */
  protected abstract freeRest(): void
  protected abstract freeKept(): void

  /** Throws DISPOSED once the run has ended. */
  protected check(): void {
    const { kind, refuse } = this.loop
    if (this.gone) throw refuse('DISPOSED', `this ${kind} run has ended: it was disposed, or its weights were released`)
  }

  /** Hands what was trained to the caller and ends the run: everything else is freed. */
  release(): Kept {
    this.check()
    const kept = this.kept()
    this.end()
    return kept
  }

  dispose(): void {
    if (this.gone) return
    this.end()
    this.freeKept()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    this.check()
    const { name, refuse, signal } = this.loop
    if (this.running) throw refuse('OPTION', `${name}: this run is being iterated already; one loop at a time`)
    this.running = true
    try {
      await this.begin()
      const turn = turns()
      while (!this.isDone()) {
        throwIfAborted(signal, 'Training')
        yield await this.advance()
        await turn()
        this.check()
      }
    } finally {
      this.running = false
    }
  }

  private end(): void {
    this.gone = true
    this.freeRest()
  }
}
