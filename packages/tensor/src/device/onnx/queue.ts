/**
 * First in, first out: one task at a time, started in the order of `push`. A task calls `done` when it has ended, at
 * once or later from a callback; it must not throw.
 */
export type Task = (done: () => void) => void

export class TaskQueue {
  private waiting: Task[] = []
  private head = 0
  private running = false
  private draining = false
  /** Called whenever the queue has run empty. */
  onIdle: (() => void) | undefined

  /** Nothing runs and nothing waits. */
  get idle(): boolean {
    return !this.running && this.head === this.waiting.length
  }

  push(task: Task): void {
    this.waiting.push(task)
    this.drain()
  }

  /** Resolves when every task pushed so far has ended. */
  settled(): Promise<void> {
    return this.idle
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.push((done) => {
            resolve()
            done()
          })
        })
  }

  private drain(): void {
    // A task that ends at once comes back here from inside the loop below: the loop then goes on by itself.
    if (this.draining || this.running) return
    this.draining = true
    while (!this.running && this.head < this.waiting.length) {
      const task = this.waiting[this.head++]!
      this.running = true
      let ended = false
      task(() => {
        if (ended) return
        ended = true
        this.running = false
        this.drain()
      })
    }
    if (this.head === this.waiting.length) {
      this.waiting = []
      this.head = 0
    }
    this.draining = false
    if (this.idle) this.onIdle?.()
  }
}
