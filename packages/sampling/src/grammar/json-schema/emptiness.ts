/** Whether there is any value of which something is true. A value that would have to contain itself is none. */
import { Beyond } from './beyond.js'
import type { Numbers } from './numbers.js'
import type { Reader } from './read.js'
import type { Strings } from './strings.js'
import type { Texts } from './text.js'
import type { Sub } from './shapes.js'

export class Emptiness {
  private readonly known = new Map<Sub, boolean>()
  private readonly open: Sub[] = []
  /** The outermost open one that an answer was built upon. */
  private lowest = Infinity

  constructor(
    private readonly reader: Reader,
    private readonly strings: Strings,
    private readonly numbers: Numbers,
    private readonly texts: Texts,
  ) {}

  isEmpty(sub: Sub): boolean {
    const found = this.known.get(sub)
    if (found !== undefined) return found
    const at = this.open.indexOf(sub)
    if (at >= 0) {
      this.lowest = Math.min(this.lowest, at)
      return true
    }
    const depth = this.open.push(sub) - 1
    const outer = this.lowest
    this.lowest = Infinity
    try {
      const empty = !this.hasValueOrBeyond(sub)
      // "Empty" that was built upon an open question holds only once that is answered.
      if (!empty || this.lowest >= depth) this.known.set(sub, empty)
      return empty
    } finally {
      this.open.length = depth
      this.lowest = Math.min(outer, this.lowest >= depth ? Infinity : this.lowest)
    }
  }

  get isSettled(): boolean {
    return this.open.length === 0
  }

  /** What cannot be held to is refused where it stands, and taken for something that has values. */
  private hasValueOrBeyond(sub: Sub): boolean {
    try {
      return this.hasValue(sub)
    } catch (error) {
      if (!(error instanceof Beyond)) throw error
      this.reader.refuseAt(sub, error.keyword, error.message)
      return true
    }
  }

  private hasValue(sub: Sub): boolean {
    const shapes = this.reader.shapesOf(sub)
    return (
      shapes.null ||
      shapes.true ||
      shapes.false ||
      shapes.numbers.some((shape) => !this.numbers.isEmpty(shape)) ||
      shapes.strings.some((shape) => !this.strings.isEmpty(shape)) ||
      shapes.arrays.some((shape) => !this.texts.isEmptyArray(shape)) ||
      shapes.objects.some((shape) => !this.texts.isEmptyObject(shape))
    )
  }
}
