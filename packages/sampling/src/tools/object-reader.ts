import { PartialJson } from '../json/partial.js'
import { Malformed, readJson, type CallArguments, type Reader } from './call-arguments.js'
import { BLANK, type Part } from './format.js'

/** What a call says besides its arguments. */
export interface CallHead {
  name: string | undefined
  id: string | undefined
}

/** What the arguments are called, whatever the format says: models take the one for the other. */
const ARGUMENTS = ['arguments', 'parameters']

/** Reads an object of JSON with a name and arguments, in any order and with whatever else is in it. */
export class ObjectReader implements Reader {
  private state: 'begin' | 'first-key' | 'key' | 'in-key' | 'colon' | 'value' | 'in-value' | 'after' | 'done' = 'begin'
  private json = new PartialJson<unknown>()
  private key = ''

  constructor(
    private readonly part: Extract<Part, { kind: 'object' }>,
    private readonly head: CallHead,
    private readonly output: CallArguments,
  ) {}

  get isDone(): boolean {
    return this.state === 'done'
  }

  read(text: string, from: number): number {
    let at = from
    while (at < text.length && this.state !== 'done') {
      if (this.state === 'in-key' || this.state === 'in-value') at = this.readValue(text, at)
      else if (BLANK.test(text[at]!)) at++
      else at = this.step(text, at)
    }
    return at
  }

  private step(text: string, at: number): number {
    const character = text[at]!
    switch (this.state) {
      case 'begin':
        return this.expect(character, '{', 'first-key', at)
      case 'first-key':
        if (character === '}') return this.end(at)
        return this.beginKey(character, at)
      case 'key':
        return this.beginKey(character, at)
      case 'colon':
        return this.expect(character, ':', 'value', at)
      case 'value':
        this.json = new PartialJson()
        this.state = 'in-value'
        if (this.isArguments() && this.output.hasBegun) throw new Malformed('a call has arguments once', at)
        return at
      case 'after':
        if (character === ',') {
          this.state = 'key'
          return at + 1
        }
        if (character === '}') return this.end(at)
        // Models forget the bracket behind the arguments.
        if (this.isWhole()) {
          this.state = 'done'
          return at
        }
        throw new Malformed('a comma or the end of the object is to come', at)
      default:
        throw new Malformed('the object goes on otherwise', at)
    }
  }

  private expect(character: string, wanted: string, next: 'first-key' | 'value', at: number): number {
    if (character !== wanted) throw new Malformed(`${wanted} is to come`, at)
    this.state = next
    return at + 1
  }

  private beginKey(character: string, at: number): number {
    if (character !== '"') throw new Malformed('a key is to come', at)
    this.json = new PartialJson()
    this.state = 'in-key'
    return at
  }

  private isArguments(): boolean {
    return this.key === this.part.arguments || ARGUMENTS.includes(this.key)
  }

  private readValue(text: string, from: number): number {
    const isArguments = this.state === 'in-value' && this.isArguments()
    const json = isArguments ? this.output.json : this.json
    const at = isArguments ? this.output.readJson(text, from) : readJson(json, text, from)
    if (!json.isComplete) return at
    if (this.state === 'in-key') {
      this.key = json.value as string
      this.state = 'colon'
      return at
    }
    this.state = 'after'
    if (this.key === this.part.name) {
      if (typeof json.value !== 'string' || json.value === '') throw new Malformed('the name of a call is text', at)
      this.head.name ??= json.value
    } else if (this.key === this.part.id && typeof json.value === 'string' && !this.output.hasBegun) this.head.id ??= json.value
    return at
  }

  private isWhole(): boolean {
    return this.head.name !== undefined && this.output.isComplete
  }

  private end(at: number): number {
    if (this.head.name === undefined) throw new Malformed(`the object has no ${this.part.name}`, at)
    if (!this.output.hasBegun) this.output.write('{}', at)
    this.state = 'done'
    return at + 1
  }
}
