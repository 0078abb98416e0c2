/** Text that streams out except for what may be the beginning of a stop text. */
export class StopTexts {
  private readonly stops: readonly string[]
  private held = ''

  /** @param stops non-empty texts */
  constructor(stops: readonly string[]) {
    this.stops = stops
  }

  /** The text that can be let go after more arrived, and whether a stop text was found (it and all after it are swallowed). */
  push(more: string): { readonly text: string; readonly stopped: boolean } {
    const text = this.held + more
    const found = this.stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)
    if (found.length > 0) {
      this.held = ''
      return { text: text.slice(0, Math.min(...found)), stopped: true }
    }
    const keep = Math.max(0, ...this.stops.map((stop) => overlap(text, stop)))
    this.held = text.slice(text.length - keep)
    return { text: text.slice(0, text.length - keep), stopped: false }
  }

  /** What was held back, once nothing more can come. */
  flush(): string {
    const rest = this.held
    this.held = ''
    return rest
  }
}

/** Length of the longest end of `text` that begins `stop`. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(stop.length - 1, text.length); length > 0; length--)
    if (stop.startsWith(text.slice(text.length - length))) return length
  return 0
}
