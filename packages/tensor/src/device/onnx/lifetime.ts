/** A program that runs may be queued for: what it holds is released by `onEnd` once it is disposed and the last of them has ended. */
export abstract class Lifetime {
  /** Runs queued or under way. */
  pending = 0
  disposed = false

  protected abstract onEnd(): void

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    if (this.pending === 0) this.onEnd()
  }

  /** One queued run has ended. */
  settle(): void {
    if (--this.pending === 0 && this.disposed) this.onEnd()
  }
}
