import { bareAsJson, escaped, Malformed, type CallArguments, type Reader } from './call-arguments.js'
import { BLANK } from './format.js'
import { TextUpTo } from './text-up-to.js'

/** Reads objects whose keys have no quotes and whose strings are between two times a text, and writes them as JSON. */
export class BareReader implements Reader {
  /** Objects and lists that are open. */
  private readonly open: ('{' | '[')[] = []
  private isKeyNext = false
  /** A key or value without quotes that is being read. */
  private word = ''
  private string: TextUpTo | undefined
  /** What has come of the quote, where one has begun. */
  private begun = ''
  isDone = false

  constructor(
    private readonly quote: string,
    private readonly output: CallArguments,
  ) {}

  read(text: string, from: number): number {
    let at = from
    while (at < text.length && !this.isDone) at = this.string === undefined ? this.step(text, at) : this.readString(this.string, text, at)
    return at
  }

  private step(text: string, at: number): number {
    const character = text[at]!
    if (this.begun !== '' || (character === this.quote[0] && this.word === '')) return this.readQuote(character, at)
    switch (character) {
      case '{':
      case '[':
        if (this.word !== '' || this.isKeyNext)
          throw new Malformed(`${character} where ${this.isKeyNext ? 'a key' : 'the end of a value'} is to come`, at)
        if (this.open.length === 0 && character !== '{') throw new Malformed('arguments are an object', at)
        this.output.write(character, at)
        this.open.push(character)
        this.isKeyNext = character === '{'
        break
      case '}':
      case ']':
        if (this.isKeyNext && this.word.trim() !== '') throw new Malformed(`${character} where a colon is to come`, at)
        this.endWord(at)
        this.output.write(character, at)
        this.open.pop()
        this.isKeyNext = false
        this.isDone = this.open.length === 0
        break
      case ',':
        if (this.isKeyNext) throw new Malformed(', where a key is to come', at)
        this.endWord(at)
        this.output.write(',', at)
        this.isKeyNext = this.open.at(-1) === '{'
        break
      case ':':
        if (this.isKeyNext) {
          this.output.write(`${JSON.stringify(this.word.trimEnd())}:`, at)
          this.word = ''
          this.isKeyNext = false
          break
        }
        this.word += character
        break
      default:
        if (this.open.length === 0) {
          if (!BLANK.test(character)) throw new Malformed('arguments are an object', at)
        } else if (this.word !== '' || !BLANK.test(character)) this.word += character
    }
    return at + 1
  }

  private endWord(at: number): void {
    const word = this.word.trimEnd()
    this.word = ''
    if (word !== '') this.output.write(bareAsJson(word), at)
  }

  /** Reads the quote before a string: character by character, for what begins like it may be something else. */
  private readQuote(character: string, at: number): number {
    if (this.open.length === 0) throw new Malformed('arguments are an object', at)
    if (character !== this.quote[this.begun.length]) {
      this.word = this.begun
      this.begun = ''
      return at
    }
    this.begun += character
    if (this.begun === this.quote) {
      this.begun = ''
      this.string = new TextUpTo(this.quote)
      if (!this.isKeyNext) this.output.write('"', at)
    }
    return at + 1
  }

  private readString(string: TextUpTo, text: string, from: number): number {
    const { piece, end, isEnd } = string.read(text, from)
    // A key with quotes is written with the colon.
    if (this.isKeyNext) this.word += piece
    else this.output.write(escaped(piece), from)
    if (isEnd) {
      this.string = undefined
      if (!this.isKeyNext) this.output.write('"', from)
    }
    return end
  }
}
