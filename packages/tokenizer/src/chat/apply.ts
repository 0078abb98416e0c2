import { TokenizerError } from '../errors.js'
import type { TemplateLimits } from './limits.js'
import { templateError } from './limits.js'
import { loadJinja } from './jinja.js'
import { chooseMarks, markGeneration, markNames, unmark, type Unmarked } from './marks.js'
import { plainData } from './plain-data.js'
import { renderTemplate } from './sandbox.js'
import { strftime } from './strftime.js'
import { pythonStrip } from './python-strip.js'

/** A message of a chat: `role` and `content`, and whatever else the template knows (`tool_calls`, `name`, `reasoning_content`). */
export interface ChatMessage {
  readonly role: string
  readonly content?: unknown
  readonly [field: string]: unknown
}

export interface RenderChatOptions {
  /** The template itself, or the name of one that the tokenizer's configuration has. Default: its usual one, or with `tools` its `tool_use`. */
  readonly template?: string
  /** Functions that the model may call, as JSON schemas. */
  readonly tools?: readonly unknown[]
  /** Documents that the model may cite, mostly with `title` and `text`. */
  readonly documents?: readonly unknown[]
  /** Whether to end with what begins the assistant's next message. Default false. */
  readonly addGenerationPrompt?: boolean
  /** Whether to end inside the last message, so that the model goes on with it. Default false. */
  readonly continueFinalMessage?: boolean
  /** Further variables that the template knows, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>
  /** The time that `strftime_now` gives. Default now. */
  readonly now?: Date
  /** How much the template may do. */
  readonly limits?: TemplateLimits
}

/** What rendering needs to know of a tokenizer. */
export interface ChatTokens {
  readonly templates: ReadonlyMap<string, string>
  readonly specialTokens: Iterable<string>
  /** `bos_token` and the like. */
  readonly named: Readonly<Record<string, string>>
}

/**
 * A chat as the template writes it, with the stretches where a user wrote the name of a special token, and those that the assistant generates.
 *
 * @throws TokenizerError `TEMPLATE` when the template fails or goes beyond its limits, `VALUE` for messages that are none, `UNSUPPORTED` without
 * `@huggingface/jinja`
 */
export async function renderChat(messages: readonly ChatMessage[], tokens: ChatTokens, options: RenderChatOptions): Promise<Unmarked> {
  const template = chooseTemplate(tokens.templates, options)
  const jinja = await loadJinja()
  const { tools, documents, variables = {}, now = new Date() } = options
  const given = { messages: checkMessages(messages), tools: tools ?? null, documents: documents ?? null, ...variables }
  const texts = [template]
  plainData(given, 'chat', (text) => (texts.push(text), text))
  const marks = chooseMarks(texts)
  const names = namesOf(tokens.specialTokens)
  const data = plainData(given, 'chat', (text) => markNames(text, names, marks)) as { messages: Record<string, unknown>[] }
  let continued = ''
  if (options.continueFinalMessage === true) {
    if (options.addGenerationPrompt === true) {
      throw new TokenizerError('VALUE', 'applyChatTemplate: continueFinalMessage and addGenerationPrompt exclude each other; pass one')
    }
    // The blank tells whether the template keeps white space at the end of a message.
    continued = appendToLast(data.messages, `${marks.here} `)
  }
  let marked = renderTemplate(
    jinja,
    markGeneration(template, marks),
    {
      ...tokens.named,
      ...data,
      add_generation_prompt: options.addGenerationPrompt ?? false,
      strftime_now: (format: unknown) => strftime(now, String(format).slice(0, 256)),
    },
    options.limits,
  )
  if (options.continueFinalMessage === true) {
    const at = marked.lastIndexOf(marks.here)
    if (at < 0 || !marked.includes(pythonStrip(continued, 'both')))
      throw templateError('leaves out a part of the last message, so that it cannot be continued')
    marked = marked.startsWith(' ', at + marks.here.length) ? marked.slice(0, at) : pythonStrip(marked.slice(0, at), 'right')
  }
  return unmark(marked, marks)
}

/** 1 for each token that touches what the assistant generates. */
export function maskOf(starts: Int32Array, ends: Int32Array, generated: readonly number[]): Uint8Array {
  const mask = new Uint8Array(starts.length)
  let range = 0
  for (let i = 0; i < mask.length; i++) {
    const [start, end] = [starts[i]!, ends[i]!]
    while (range < generated.length && generated[range + 1]! <= start) range += 2
    if (range < generated.length && end > generated[range]! && end > start) mask[i] = 1
  }
  return mask
}

function chooseTemplate(templates: ReadonlyMap<string, string>, { template, tools }: RenderChatOptions): string {
  if (template !== undefined) return templates.get(template) ?? template
  const own = (tools === undefined ? undefined : templates.get('tool_use')) ?? templates.get('default')
  if (own !== undefined) return own
  const known = [...templates.keys()].join(', ') || 'none'
  throw new TokenizerError('VALUE', `applyChatTemplate: the tokenizer has no usual chat template (it has ${known}); pass options.template`)
}

function checkMessages(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  if (!Array.isArray(messages)) throw new TokenizerError('VALUE', `applyChatTemplate: messages is a list, got ${typeof messages}`)
  for (const [i, message] of (messages as readonly unknown[]).entries()) {
    if (typeof message === 'object' && message !== null && typeof (message as ChatMessage).role === 'string') continue
    throw new TokenizerError(
      'VALUE',
      `applyChatTemplate: messages[${i}] is an object with a role, got ${JSON.stringify(message)?.slice(0, 80) ?? 'nothing'}`,
    )
  }
  return messages
}

function namesOf(tokens: Iterable<string>): RegExp | undefined {
  const names = [...tokens].filter((name) => name !== '').sort((a, b) => b.length - a.length)
  if (names.length === 0) return undefined
  return new RegExp(names.map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'), 'g')
}

/** Returns the text that is continued. */
function appendToLast(messages: readonly Record<string, unknown>[], tail: string): string {
  const last = messages.at(-1)
  const content = last?.['content']
  if (typeof content === 'string') {
    last!['content'] = content + tail
    return content
  }
  if (Array.isArray(content)) {
    const block = (content as Record<string, unknown>[]).findLast((each) => typeof each?.['text'] === 'string')
    if (block !== undefined) {
      const text = block['text'] as string
      block['text'] = text + tail
      return text
    }
  }
  throw new TokenizerError('VALUE', 'applyChatTemplate: continueFinalMessage needs a last message with text in its content')
}
