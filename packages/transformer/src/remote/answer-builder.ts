/** An answer that arrives in pieces from elsewhere, as parts and as a result. */
import { PartialJson } from '@tesserae/sampling/json'
import { TransformerError } from '../errors.js'
import type { AnswerSchema } from '../lm/schema.js'
import type { LmFinishReason, LmLogprob, LmPart, LmResult, LmToolCall, LmUsage } from '../lm/types.js'

interface OpenCall {
  readonly id: string
  readonly name: string
  text: string
}

export class AnswerBuilder {
  private text = ''
  private reasoning = ''
  private readonly logprobs: LmLogprob[] = []
  private readonly calls = new Map<string, OpenCall>()
  private readonly start = performance.now()
  private first: number | undefined
  private partial: PartialJson | undefined

  constructor(
    private readonly where: string,
    private readonly schema: AnswerSchema | undefined,
    private readonly wantsLogprobs: boolean,
  ) {
    if (schema !== undefined) this.partial = new PartialJson()
  }

  /** Whether anything of the answer has come. */
  get hasBegun(): boolean {
    return this.first !== undefined
  }

  add(type: 'text' | 'reasoning', text: string, logprobs?: readonly LmLogprob[]): LmPart[] {
    if (text === '' && (logprobs ?? []).length === 0) return []
    this.begin()
    this[type] += text
    this.logprobs.push(...(logprobs ?? []))
    const part: LmPart = { type, text, ids: [], ...(this.wantsLogprobs && logprobs !== undefined ? { logprobs } : {}) }
    return type === 'text' ? [part, ...this.grown(text)] : [part]
  }

  /** More of a call's arguments, as text. */
  addCall(key: string, id: string | undefined, name: string | undefined, delta: string): LmPart[] {
    this.begin()
    const open = this.calls.get(key) ?? { id: id ?? `call_${this.calls.size}`, name: name ?? '', text: '' }
    if (open.name === '') throw new TransformerError('REMOTE', `${this.where} sent a call of a tool without its name`)
    this.calls.set(key, open)
    open.text += delta
    return [{ type: 'tool-call-delta', id: open.id, name: open.name, delta }]
  }

  /** Whether a call's arguments have begun to come. */
  hasCall(key: string): boolean {
    return this.calls.has(key)
  }

  /** The end: calls as a whole, and the result. Errors: REMOTE for arguments that are no JSON object; OUTPUT. */
  async *end(reason: LmFinishReason, usage: LmUsage): AsyncGenerator<LmPart, void, undefined> {
    this.begin()
    const toolCalls: LmToolCall[] = []
    for (const { id, name, text } of this.calls.values()) {
      const values = jsonObject(text === '' ? '{}' : text)
      if (values !== undefined) toolCalls.push({ index: toolCalls.length, id, name, arguments: values })
      else if (reason !== 'length')
        throw new TransformerError('REMOTE', `${this.where} called ${name} with what is no JSON object: ${text.slice(0, 200)}`)
    }
    for (const call of toolCalls) yield { type: 'tool-call', call }
    const now = performance.now()
    const result: LmResult = {
      text: this.text,
      reasoning: this.reasoning,
      tokens: [],
      toolCalls,
      object: reason === 'stop' ? await this.value() : undefined,
      logprobs: this.wantsLogprobs ? this.logprobs : undefined,
      usage,
      finishReason: toolCalls.length > 0 && reason === 'stop' ? 'tool-calls' : reason,
      seconds: { prefill: (this.first! - this.start) / 1000, decode: (now - this.first!) / 1000 },
    }
    yield { type: 'finish', result }
  }

  private begin(): void {
    this.first ??= performance.now()
  }

  private async value(): Promise<unknown> {
    if (this.schema === undefined || this.text === '') return undefined
    let value: unknown
    try {
      value = JSON.parse(this.text)
    } catch (cause) {
      throw new TransformerError(
        'REMOTE',
        `${this.where} was given a schema and answered with what is no JSON: ${this.text.slice(0, 200)}`,
        { cause },
      )
    }
    return this.schema.validate(value)
  }

  private grown(text: string): LmPart[] {
    try {
      this.partial?.push(text)
    } catch {
      this.partial = undefined // No JSON: the end tells.
    }
    const value = this.partial?.value
    return value === undefined ? [] : [{ type: 'object', partial: value }]
  }
}

function jsonObject(text: string): LmToolCall['arguments'] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as LmToolCall['arguments']) : undefined
  } catch {
    return undefined
  }
}
