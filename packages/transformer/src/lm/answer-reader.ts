/** Tokens of an answer as its parts: text, reasoning, calls of tools, and the object that the text is. */
import { StopTexts } from '@tesserae/sampling'
import { PartialJson } from '@tesserae/sampling/json'
import type { ToolCallEvent, ToolCallParser } from '@tesserae/sampling/tools'
import type { ReasoningSplitter } from './reasoning.js'
import type { LmLogprob, LmPart, LmToolCall } from './types.js'

export interface AnswerReaderOptions {
  readonly decoder: { push(id: number): string; flush(): string }
  readonly stop: readonly string[]
  readonly splitter: ReasoningSplitter
  readonly parser: ToolCallParser | undefined
  readonly isObject: boolean
}

type Part = Exclude<LmPart, { readonly type: 'finish' }>

export class AnswerReader {
  text = ''
  reasoning = ''
  readonly toolCalls: LmToolCall[] = []
  private readonly stops: StopTexts
  private readonly json: PartialJson | undefined
  private jsonFailed = false
  /** Tokens whose text has not come out yet. */
  private ids: number[] = []
  private logprobs: LmLogprob[] = []
  private calls = new Map<number, { readonly id: string; readonly name: string }>()

  constructor(private readonly options: AnswerReaderOptions) {
    this.stops = new StopTexts(options.stop)
    this.json = options.isObject ? new PartialJson() : undefined
  }

  /** Whether the text is one value of JSON that has ended. */
  get isWhole(): boolean {
    return this.json?.isComplete === true && !this.jsonFailed
  }

  /** A token's parts, and whether a stop text came with it. */
  push(id: number, logprob: LmLogprob | undefined): { readonly parts: Part[]; readonly stopped: boolean } {
    this.ids.push(id)
    if (logprob !== undefined) this.logprobs.push(logprob)
    const { text, stopped } = this.stops.push(this.options.decoder.push(id))
    return { parts: this.split(text), stopped }
  }

  /** The token that ends an answer: it is no text. */
  finish(): Part[] {
    const { text, stopped } = this.stops.push(this.options.decoder.flush())
    const parts = this.split(text + (stopped ? '' : this.stops.flush()))
    const { splitter, parser } = this.options
    for (const piece of splitter.end()) parts.push(...this.pieces(piece.type, piece.text))
    if (parser !== undefined) for (const event of parser.end()) parts.push(...this.ofEvent(event))
    return parts
  }

  /** The object that the text is; undefined where it was cut off. */
  value(): unknown {
    if (this.json === undefined || this.jsonFailed) return undefined
    try {
      return this.json.end()
    } catch {
      return undefined
    }
  }

  private split(text: string): Part[] {
    return text === '' ? [] : this.options.splitter.push(text).flatMap((piece) => this.pieces(piece.type, piece.text))
  }

  private pieces(type: 'text' | 'reasoning', text: string): Part[] {
    if (type === 'reasoning') {
      this.reasoning += text
      return [this.part(type, text)]
    }
    const { parser } = this.options
    return parser === undefined ? this.ofText(text) : parser.push(text).flatMap((event) => this.ofEvent(event))
  }

  private ofText(text: string): Part[] {
    this.text += text
    const parts = [this.part('text', text)]
    if (this.json === undefined || this.jsonFailed) return parts
    try {
      this.json.push(text)
      if (this.json.value !== undefined) parts.push({ type: 'object', partial: structuredClone(this.json.value) })
    } catch {
      this.jsonFailed = true
    }
    return parts
  }

  private ofEvent(event: ToolCallEvent): Part[] {
    switch (event.type) {
      case 'text':
        return event.text === '' ? [] : this.ofText(event.text)
      case 'call-start': {
        this.forget()
        const { id, name } = event
        this.calls.set(event.index, { id, name })
        return [{ type: 'tool-call-delta', id, name, delta: '' }]
      }
      case 'arguments': {
        this.forget()
        const { id, name } = this.calls.get(event.index)!
        return event.delta === '' ? [] : [{ type: 'tool-call-delta', id, name, delta: event.delta }]
      }
      case 'call-end': {
        this.forget()
        const { type: _, ...call } = event
        this.toolCalls.push(call)
        return [{ type: 'tool-call', call }]
      }
      case 'call-broken':
        return [] // cut off: it is no call
      default:
        return event satisfies never
    }
  }

  private part(type: 'text' | 'reasoning', text: string): Part {
    const { ids, logprobs } = this
    this.forget()
    return { type, text, ids, ...(logprobs.length === 0 ? {} : { logprobs }) }
  }

  private forget(): void {
    this.ids = []
    this.logprobs = []
  }
}
