import { isPairAt } from '../../text/aligned.js'

/** The UTF-8 length of the character at `at`; a lone surrogate counts as U+FFFD. */
export function utf8LengthAt(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  return unit < 0x80 ? 1 : unit < 0x800 ? 2 : isPairAt(text, at) ? 4 : 3
}

/** Turns rising positions in a text's UTF-8 form into units; a position inside a character is that character's. */
export class ByteCursor {
  private unit = 0
  private byte = 0

  constructor(private readonly text: string) {}

  /** Where the character begins that holds the byte at `position`. */
  startOf(position: number): number {
    this.moveTo(position)
    return this.unit
  }

  /** Where the character ends that holds the byte before `position`. */
  endOf(position: number): number {
    this.moveTo(position - 1)
    return Math.min(this.text.length, this.unit + (isPairAt(this.text, this.unit) ? 2 : 1))
  }

  private moveTo(position: number): void {
    const { text } = this
    while (this.unit < text.length) {
      const length = utf8LengthAt(text, this.unit)
      if (this.byte + length > position) return
      this.byte += length
      this.unit += isPairAt(text, this.unit) ? 2 : 1
    }
  }
}
