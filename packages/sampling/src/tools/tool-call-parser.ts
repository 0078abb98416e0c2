/** Reads calls of tools out of text that is being generated. */
import type { DeepPartial } from '../json/partial.js'
import { BareReader } from './bare-reader.js'
import { CallArguments, Malformed, type JsonObject, type Reader } from './call-arguments.js'
import { BLANK, formatOf, type Dialect, type Format, type FormatName, type Part } from './format.js'
import { ObjectReader, type CallHead } from './object-reader.js'
import { TagsReader } from './tags-reader.js'
import { TextUpTo } from './text-up-to.js'
import { checkTools, type CheckedTool, type Tool, type ToolName } from './tool.js'

/** A call that is complete. */
export interface ToolCall<Name extends string = string> {
  /** Which call of the text it is, from 0 on. */
  readonly index: number
  readonly id: string
  readonly name: Name
  readonly arguments: JsonObject
}

export type ToolCallEvent<Name extends string = string> =
  /** Text that is no part of a call. White space around calls is left out. */
  | { readonly type: 'text'; readonly text: string }
  /** A call whose name is known and whose arguments begin. */
  | { readonly type: 'call-start'; readonly index: number; readonly id: string; readonly name: Name }
  /** More of the arguments: `delta` as text of JSON, whatever the format, and `value` all so far, which is the same object each time and is added to. */
  | { readonly type: 'arguments'; readonly index: number; readonly delta: string; readonly value: DeepPartial<JsonObject> }
  | ({ readonly type: 'call-end' } & ToolCall<Name>)
  /** A call that ends before its arguments do, or of a tool that there is not. `arguments` is what came of them. */
  | {
      readonly type: 'call-broken'
      readonly index: number
      readonly id: string
      readonly name: string
      readonly arguments: DeepPartial<JsonObject>
      readonly reason: string
    }

export interface ToolCallParserOptions {
  readonly format: FormatName
  /** Ids of calls whose text has none before its arguments. Default `call_0`, `call_1` and so on. */
  readonly id?: (index: number) => string
}

/**
 * A parser for calls in a format. With tools, calls of others are broken, and parameters of strings are known as such in formats that write them without quotes.
 *
 * @example
 * const parser = toolCallParser([{ name: 'weather', parameters }], { format: 'hermes' })
 * for await (const text of stream) for (const event of parser.push(text)) show(event)
 * for (const event of parser.end()) show(event)
 * @throws SamplingError `TOOL` for tools that are none or that the format cannot carry, and for a format that is not known
 */
export function toolCallParser<const Tools extends readonly Tool[]>(
  tools: Tools | undefined,
  options: ToolCallParserOptions,
): ToolCallParser<undefined extends Tools ? string : ToolName<Tools>> {
  return new ToolCallParser(tools, options)
}

/** All text and calls of a text that is complete. */
export function readToolCalls<const Tools extends readonly Tool[]>(
  text: string,
  tools: Tools | undefined,
  options: ToolCallParserOptions,
): {
  readonly text: string
  readonly calls: ToolCall<ToolName<Tools>>[]
  readonly broken: Extract<ToolCallEvent, { type: 'call-broken' }>[]
} {
  const parser = new ToolCallParser<ToolName<Tools>>(tools, options)
  const events = [...parser.push(text), ...parser.end()]
  return {
    text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''),
    calls: events.flatMap((event) => {
      if (event.type !== 'call-end') return []
      const { type: _, ...call } = event
      return [call]
    }),
    broken: events.filter((event) => event.type === 'call-broken'),
  }
}

export class ToolCallParser<Name extends string = string> {
  private readonly format: Format
  private readonly tools: ReadonlyMap<string, CheckedTool> | undefined
  private readonly idOf: (index: number) => string
  private mode: 'start' | 'text' | 'parts' | 'between'
  /** Which parts are read: those before a list of calls, of a call, behind a list. */
  private phase: 'open' | 'call' | 'close' = 'call'
  private text: TextUpTo
  /** White space at the start, or behind a call, that is left out if nothing but calls follows. */
  private gap = ''
  private isBehindCall = false
  /** What is still to come of the parts. */
  private parts: Part[] = []
  /** What has come of the part that is being read. */
  private begun = ''
  private reader: Reader | undefined
  /** The text of a call as long as it may turn out to be none. */
  private raw = ''
  private head: CallHead = { name: undefined, id: undefined }
  private output = new CallArguments()
  /** The id of the call once it has started. */
  private id: string | undefined
  private index = 0
  private events: ToolCallEvent<Name>[] = []

  constructor(tools: readonly Tool[] | undefined, { format, id = (index) => `call_${index}` }: ToolCallParserOptions) {
    this.format = formatOf(format)
    this.tools = tools === undefined ? undefined : new Map(checkTools(tools, format).map((tool) => [tool.name, tool]))
    this.idOf = id
    this.mode = this.format.atStart === undefined ? 'text' : 'start'
    this.text = new TextUpTo(this.format.marker)
  }

  /** What more text brings. */
  push(text: string): ToolCallEvent<Name>[] {
    for (let at = 0; at < text.length;) {
      const before = at
      try {
        at = this.read(text, at)
      } catch (error) {
        if (!(error instanceof Malformed)) throw error
        at = Math.max(before, error.at)
        this.raw += text.slice(before, at)
        this.giveUp(error.reason)
      }
    }
    this.progress()
    return this.take()
  }

  /** What is left once no more text comes. */
  end(): ToolCallEvent<Name>[] {
    if (this.mode === 'start') this.emitText(this.gap)
    else if (this.mode === 'text') this.emitText(this.text.flush())
    else if (this.mode === 'parts' && this.phase !== 'close') this.giveUp('the text ends inside of the call')
    this.mode = 'text'
    this.gap = ''
    return this.take()
  }

  private take(): ToolCallEvent<Name>[] {
    const { events } = this
    this.events = []
    return events
  }

  private read(text: string, at: number): number {
    switch (this.mode) {
      case 'start':
      case 'between':
        return this.readGap(text, at)
      case 'text': {
        const { piece, end, isEnd } = this.text.read(text, at)
        this.emitText(piece)
        if (isEnd) this.begin(this.format.marker)
        return end
      }
      case 'parts': {
        const end = this.readPart(text, at)
        if (this.id === undefined) this.raw += text.slice(at, end)
        this.advance()
        return end
      }
      default:
        return this.mode satisfies never
    }
  }

  /** White space at the start, or in a list of calls behind one. */
  private readGap(text: string, at: number): number {
    const { atStart, list } = this.format
    const character = text[at]!
    if (BLANK.test(character)) {
      this.gap += character
      return at + 1
    }
    if (this.mode === 'start') {
      if (character === atStart) this.begin(this.gap)
      else {
        this.mode = 'text'
        const { gap } = this
        this.gap = ''
        this.emitText(gap)
      }
      return at
    }
    if (character === list!.separator.trim()) {
      this.begin(this.gap + character, 'call')
      return at + 1
    }
    if (list!.close.length > 0) this.begin(this.gap, 'close')
    else this.toText(this.gap)
    return at
  }

  /** Calls begin: `raw` is what has come of them. */
  private begin(raw: string, phase: 'open' | 'call' | 'close' = this.format.list === undefined ? 'call' : 'open'): void {
    this.mode = 'parts'
    this.gap = ''
    this.raw = raw
    this.enter(phase)
    this.advance()
  }

  private enter(phase: 'open' | 'call' | 'close'): void {
    const { call, list } = this.format
    this.phase = phase
    if (phase === 'open') this.id = undefined
    this.parts = [...(phase === 'call' ? call : phase === 'open' ? list!.open : list!.close)]
    if (phase !== 'call') return
    this.head = { name: undefined, id: undefined }
    this.output = new CallArguments()
    this.id = undefined
  }

  /** Text follows that is no part of a call. */
  private toText(gap = ''): void {
    this.mode = 'text'
    this.text = new TextUpTo(this.format.marker)
    this.gap = gap
    this.isBehindCall = true
  }

  /** Goes on to what comes behind parts that are complete. */
  private advance(): void {
    while (this.mode === 'parts' && this.parts.length === 0) {
      if (this.phase === 'open') this.enter('call')
      else if (this.phase === 'close') this.toText()
      else {
        this.finish()
        if (this.format.list === undefined) this.toText()
        else this.mode = 'between'
      }
    }
  }

  private done(): void {
    this.parts.shift()
    this.begun = ''
    this.reader = undefined
  }

  private readPart(text: string, at: number): number {
    const part = this.parts[0]!
    const character = text[at]!
    const isBlank = BLANK.test(character)
    switch (part.kind) {
      case 'space':
        if (isBlank) return at + 1
        this.done()
        return at
      case 'text':
        if (this.begun === '' && isBlank) return at + 1
        if (character !== part.text[this.begun.length]) throw new Malformed(`${part.text} is to come`, at)
        this.begun += character
        if (this.begun === part.text) this.done()
        return at + 1
      case 'name':
        if (this.begun === '' && isBlank) return at + 1
        if (!isBlank && !part.ends.includes(character)) {
          this.begun += character
          return at + 1
        }
        if (this.begun === '') throw new Malformed('a name is to come', at)
        this.head.name = this.begun
        this.done()
        return at
      case 'id':
        if (/[0-9A-Za-z]/.test(character)) {
          this.begun += character
          return at + 1
        }
        if (this.begun !== '') this.head.id = this.begun
        this.done()
        return at
      case 'either':
        return this.choose(part, character, at)
      case 'object':
        return this.readBy((this.reader ??= new ObjectReader(part, this.head, this.output)), text, at)
      case 'arguments':
        return this.readBy((this.reader ??= this.readerOf(part.dialect)), text, at)
      default:
        return part satisfies never
    }
  }

  private choose(part: Extract<Part, { kind: 'either' }>, character: string, at: number): number {
    const ways = [...part.write, ...(part.read ?? [])]
    const begun = this.begun + character
    const fitting = ways.filter(([first]) => first?.kind === 'text' && first.text.startsWith(begun))
    if (fitting.length === 0) {
      const other = this.begun === '' ? ways.find(([first]) => first?.kind !== 'text') : undefined
      if (other === undefined) throw new Malformed('the call goes on otherwise', at)
      this.done()
      this.parts.unshift(...other)
      return at
    }
    this.begun = begun
    const chosen = fitting.find(([first]) => first?.kind === 'text' && first.text === begun)
    if (chosen !== undefined) {
      this.done()
      this.parts.unshift(...chosen.slice(1))
    }
    return at + 1
  }

  private readBy(reader: Reader, text: string, at: number): number {
    const end = reader.read(text, at)
    if (reader.isDone) this.done()
    return end
  }

  private readerOf(dialect: Dialect): Reader {
    const { output } = this
    switch (dialect.kind) {
      case 'json':
        return {
          read: (text, at) => (!output.hasBegun && BLANK.test(text[at]!) ? at + 1 : output.readJson(text, at)),
          get isDone() {
            return output.isComplete
          },
        }
      case 'bare':
        return new BareReader(dialect.quote, output)
      case 'tags':
        return new TagsReader(this.tools?.get(this.head.name!)?.parameters, output)
      default:
        return dialect satisfies never
    }
  }

  private get isKnown(): boolean {
    return this.tools === undefined || this.tools.has(this.head.name!)
  }

  /** Tells what is new of the call that is being read. */
  private progress(): void {
    const { name } = this.head
    if (this.mode !== 'parts' || this.phase !== 'call' || name === undefined || !this.output.hasBegun) return
    if (this.id === undefined) {
      this.id = this.head.id ?? this.idOf(this.index)
      this.raw = ''
      if (this.isKnown) this.events.push({ type: 'call-start', index: this.index, id: this.id, name: name as Name })
    }
    const delta = this.output.take()
    if (delta !== '' && this.isKnown) this.events.push({ type: 'arguments', index: this.index, delta, value: this.output.json.value! })
  }

  private finish(): void {
    this.progress()
    const { index, id } = this
    const { name } = this.head
    const call = { index, id: id!, name: name as Name, arguments: this.output.json.end() }
    if (this.isKnown) this.events.push({ type: 'call-end', ...call })
    else this.events.push({ type: 'call-broken', ...call, reason: `there is no tool called ${JSON.stringify(name)}` })
    this.forget()
    this.index++
  }

  /** What was read is no whole call: it is one where only its end is missing, broken where its arguments have begun, else text. */
  private giveUp(reason: string): void {
    if (this.mode === 'parts' && this.phase === 'call') {
      if (this.head.name !== undefined && this.output.isComplete) this.finish()
      else {
        this.progress()
        const { index, id } = this
        if (id !== undefined) {
          const call = { index, id, name: this.head.name!, arguments: this.output.json.value ?? {} }
          this.events.push({ type: 'call-broken', ...call, reason })
          this.index++
        }
      }
    }
    const isText = this.id === undefined && this.raw !== ''
    const { raw } = this
    this.forget()
    this.toText()
    if (isText) this.emitText(raw)
  }

  private forget(): void {
    this.raw = ''
    this.begun = ''
    this.reader = undefined
    this.parts = []
  }

  private emitText(text: string): void {
    let all = text
    if (this.isBehindCall) {
      all = this.gap + text
      if (all.trim() === '') {
        this.gap = all
        return
      }
      this.gap = ''
      this.isBehindCall = false
    }
    if (all === '') return
    const last = this.events.at(-1)
    if (last?.type === 'text') this.events[this.events.length - 1] = { type: 'text', text: last.text + all }
    else this.events.push({ type: 'text', text: all })
  }
}
