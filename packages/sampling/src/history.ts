import { SamplingError } from './errors.js'
import { TokenTable } from './token-table.js'

/** The tokens that were accepted, all of them or the last so many, with how often each is among these. */
export class History {
  private tokens = new Int32Array(64)
  /** Where the oldest is, in a ring when there is a limit. */
  private start = 0
  /** The ids that are remembered, each once, with how often. */
  readonly each = new TokenTable()
  /** Tokens accepted, those included that are not remembered. */
  private seen = 0
  length = 0

  /**
   * @param limit of tokens that are looked back at; `Infinity` for all
   * @param skip tokens that come first and are not looked at
   */
  constructor(
    readonly limit: number,
    private readonly skip = 0,
  ) {}

  accept(id: number): void {
    if (this.seen++ < this.skip || this.limit === 0) return
    if (this.length === this.limit) {
      const oldest = this.at(0)
      const left = this.each.get(oldest) - 1
      if (left === 0) this.each.delete(oldest)
      else this.each.set(oldest, left)
      this.start = (this.start + 1) % this.tokens.length
      this.length--
    } else if (this.length === this.tokens.length) this.grow()
    this.tokens[(this.start + this.length++) % this.tokens.length] = id
    this.each.set(id, this.each.get(id) + 1)
  }

  /** Token `index`, counted from the oldest that is remembered. */
  at(index: number): number {
    return this.tokens[(this.start + index) % this.tokens.length]!
  }

  /** Token `index`, counted back from the latest, which is 0. */
  back(index: number): number {
    return this.at(this.length - 1 - index)
  }

  clear(): void {
    this.start = this.length = this.seen = 0
    this.each.clear()
  }

  clone(): History {
    const copy = new History(this.limit, this.skip)
    copy.restore(this.state())
    return copy
  }

  /** The tokens that are remembered, the oldest first. */
  get tokensInOrder(): number[] {
    return Array.from({ length: this.length }, (_, i) => this.at(i))
  }

  state(): HistoryState {
    return { seen: this.seen, ids: this.tokensInOrder }
  }

  /** @throws SamplingError `STATE` when it is none */
  restore(state: unknown): void {
    const { seen, ids } = (state ?? {}) as Partial<HistoryState>
    if (!Number.isInteger(seen) || !Array.isArray(ids) || !ids.every((id) => Number.isInteger(id)))
      throw new SamplingError('STATE', `The state of a history must be { seen, ids } with token ids, got ${JSON.stringify(state)}`)
    this.clear()
    this.seen = this.skip
    for (const id of ids as number[]) this.accept(id)
    this.seen = seen!
  }

  private grow(): void {
    const wider = new Int32Array(this.tokens.length * 2)
    for (let i = 0; i < this.length; i++) wider[i] = this.at(i)
    this.tokens = wider
    this.start = 0
  }
}

interface HistoryState {
  readonly seen: number
  readonly ids: readonly number[]
}

/** What a step with a history needs beside `apply`: accept, reset, clone, state and restore. */
export function remembering<T>(history: History, make: (history: History) => T) {
  return {
    accept: (id: number): void => history.accept(id),
    reset: (): void => history.clear(),
    clone: (): T => make(history.clone()),
    state: (): unknown => history.state(),
    restore: (state: unknown): void => history.restore(state),
  }
}
