/** Runs faster than this stay on the calling thread: handing one to another costs about 0.09 ms. */
export const syncLimit = 0.5
const window = 7

/**
 * Decides from past runs where the next one goes. Runs on the calling thread are judged by their median. Times of runs on
 * another thread include waiting for the event loop, so there the fastest one counts.
 */
export class RunClock {
  private readonly times: number[] = []
  private at = 0
  /** The first runs go to another thread: how long they take is not known. */
  sync = false

  record(ms: number): void {
    this.times[this.at] = ms
    this.at = (this.at + 1) % window
    if (this.sync) {
      if (this.times.length === window && this.at === 0 && this.median() >= syncLimit) this.change(false)
    } else if (ms < syncLimit) this.change(true)
  }

  /** Milliseconds of a typical run; 0 before the first. */
  median(): number {
    const sorted = [...this.times].sort((a, b) => a - b)
    return sorted[sorted.length >> 1] ?? 0
  }

  private change(sync: boolean): void {
    this.sync = sync
    this.times.length = 0
    this.at = 0
  }
}
