import { StopTexts } from '../stop.js'

/** Reads text up to and with a text that ends it. */
export class TextUpTo {
  private readonly stops: StopTexts
  /** Characters that came and were not let go. */
  private held = 0

  constructor(private readonly stop: string) {
    this.stops = new StopTexts([stop])
  }

  /** What can be let go, and where reading goes on: behind the text that ends it, if it came. */
  read(text: string, from: number): { readonly piece: string; readonly end: number; readonly isEnd: boolean } {
    // No more than is needed, for what follows is read again by others.
    const near = text.indexOf(this.stop, from)
    const more = near < 0 ? text.slice(from) : text.slice(from, near + this.stop.length)
    const { text: piece, stopped } = this.stops.push(more)
    if (stopped) return { piece, end: from + piece.length + this.stop.length - this.held, isEnd: true }
    this.held += more.length - piece.length
    return { piece, end: from + more.length, isEnd: false }
  }

  /** What was held back, once nothing more can come. */
  flush(): string {
    return this.stops.flush()
  }
}
