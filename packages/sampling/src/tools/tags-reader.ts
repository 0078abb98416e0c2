import { JsonError } from '../json/json-error.js'
import { PartialJson } from '../json/partial.js'
import { bareAsJson, escaped, Malformed, type CallArguments, type Reader } from './call-arguments.js'
import { BLANK } from './format.js'
import { isText, parameterSchema, TAGS } from './tags.js'
import { TextUpTo } from './text-up-to.js'
import type { JsonSchema } from '../grammar/json-schema/document.js'

/**
 * Reads arguments that are each between tags, and writes them as JSON. A parameter whose schema allows strings only is text as it is. Others are JSON, where what comes is JSON, else text; they are written once they
 * are complete.
 */
export class TagsReader implements Reader {
  private state: 'tag' | 'key' | 'value' = 'tag'
  /** What has come of a tag or key. */
  private begun = ''
  private count = 0
  private value: Reader | undefined
  isDone = false

  constructor(
    private readonly parameters: JsonSchema | undefined,
    private readonly output: CallArguments,
  ) {}

  read(text: string, from: number): number {
    let at = from
    while (at < text.length && !this.isDone) {
      if (this.value === undefined) at = this.step(text, at)
      else {
        at = this.value.read(text, at)
        if (this.value.isDone) this.value = undefined
      }
    }
    return at
  }

  private step(text: string, at: number): number {
    const character = text[at]!
    if (this.state === 'key') {
      if (character === TAGS.name) this.startValue(at)
      else this.begun += character
      return at + 1
    }
    if (this.begun === '' && BLANK.test(character)) return at + 1
    this.begun += character
    if (this.begun === TAGS.open) {
      this.state = 'key'
      this.begun = ''
    } else if (this.begun === TAGS.end) {
      this.output.write(this.count === 0 ? '{}' : '}', at)
      this.isDone = true
    } else if (!TAGS.open.startsWith(this.begun) && !TAGS.end.startsWith(this.begun))
      throw new Malformed(`${TAGS.open} or ${TAGS.end} is to come`, at)
    return at + 1
  }

  private startValue(at: number): void {
    const key = this.begun
    if (key === '') throw new Malformed('a parameter has a name', at)
    this.begun = ''
    this.state = 'tag'
    this.output.write(`${this.count++ === 0 ? '{' : ','}${JSON.stringify(key)}:`, at)
    const schema = this.parameters === undefined ? undefined : parameterSchema(this.parameters, key)
    this.value = isText(schema) ? new TextValue(this.output) : new JsonValue(this.output)
  }
}

/** Text, without the line breaks that set it apart from its tags. */
class TextValue implements Reader {
  private readonly text = new TextUpTo(TAGS.close)
  private isFirst = true
  /** A line break that may be the last one. */
  private held = ''
  isDone = false

  constructor(private readonly output: CallArguments) {}

  read(text: string, from: number): number {
    const { piece, end, isEnd } = this.text.read(text, from)
    this.write(piece, from)
    if (isEnd) {
      this.output.write(this.isFirst ? '""' : '"', end - 1)
      this.isDone = true
    }
    return end
  }

  private write(piece: string, at: number): void {
    if (piece === '') return
    const all = this.held + (this.isFirst && piece.startsWith('\n') ? piece.slice(1) : piece)
    this.held = all.endsWith('\n') ? '\n' : ''
    this.output.write((this.isFirst ? '"' : '') + escaped(this.held === '' ? all : all.slice(0, -1)), at)
    this.isFirst = false
  }
}

/** JSON, or what turns out to be text. */
class JsonValue implements Reader {
  private readonly json = new PartialJson<unknown>()
  private isJson = true
  private raw = ''
  private text = new TextUpTo(TAGS.close)
  isDone = false

  constructor(private readonly output: CallArguments) {}

  read(text: string, from: number): number {
    let at = from
    while (at < text.length && !this.isDone) {
      const { piece, end, isEnd } = this.text.read(text, at)
      at = end
      this.take(piece)
      if (!isEnd) continue
      // A string of JSON may have the end tag in it.
      if (this.isJson && this.json.isInString) {
        this.take(TAGS.close)
        this.text = new TextUpTo(TAGS.close)
      } else this.finish(at - 1)
    }
    return at
  }

  private take(piece: string): void {
    this.raw += piece
    this.isJson &&= succeeds(() => this.json.push(piece))
  }

  private finish(at: number): void {
    const isJson = this.isJson && succeeds(() => this.json.end())
    this.output.write(isJson ? this.raw.trim() : bareAsJson(this.raw.replace(/^\n/, '').replace(/\n$/, '')), at)
    this.isDone = true
  }
}

function succeeds(action: () => unknown): boolean {
  try {
    action()
    return true
  } catch (error) {
    if (error instanceof JsonError) return false
    throw error
  }
}
