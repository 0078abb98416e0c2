import type { TokenSequence } from '../../pipeline/components.js'

/** Collects tokens with their places, words and written forms. */
export class TokenList {
  private readonly ids: number[] = []
  private readonly starts: number[] = []
  private readonly ends: number[] = []
  private readonly words: number[] = []
  private readonly forms: string[] = []
  private word = 0

  push(id: number, start: number, end: number, form: string): void {
    this.ids.push(id)
    this.starts.push(start)
    this.ends.push(end)
    this.words.push(this.word)
    this.forms.push(form)
  }

  /** What follows belongs to another word, unless the word at hand is still empty. */
  nextWord(): void {
    if (this.words.at(-1) === this.word) this.word++
  }

  toSequence(text: string): TokenSequence {
    return {
      text,
      ids: Uint32Array.from(this.ids),
      starts: Int32Array.from(this.starts),
      ends: Int32Array.from(this.ends),
      words: Int32Array.from(this.words),
      forms: this.forms,
    }
  }
}
