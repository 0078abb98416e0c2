/** How a conversation is written for a model, and which of its tokens are learnt. */
import type { Tokenizer } from '@tesserae/tokenizer'
import { RlhfError } from '../errors.js'
import type { Message, Role, Turns } from './rows.js'

export interface ChatTemplateOptions {
  /** What stands before a message of each role, usually one special token such as `<|user|>`. May hold ordinary text too, such as a line break. */
  readonly user: string
  readonly assistant: string
  /** Left out, conversations may have no system messages. */
  readonly system?: string
  /** The token that ends every message: the assistant learns to write it, and generation stops at it. Exactly one special token. */
  readonly end: string
  /** What every conversation begins with; default nothing. */
  readonly begin?: string
  /** The token that fills up batches, where another program wants one; ours need none. Must not be `end`. */
  readonly pad?: string
}

/** A checked template; make one with {@link chatTemplate}. Plain JSON, to be kept beside the model. */
export interface ChatTemplate extends ChatTemplateOptions {
  readonly begin: string
}

/**
 * A template of plain role markers: begin, then for each message its role's marker, the content and `end`.
 *
 * Errors: TEMPLATE when `end` is empty, when it is also a marker, or when it fills batches as well: whoever masks padding then masks the stop token with it, and
 * the model never learns to stop.
 */
export function chatTemplate(options: ChatTemplateOptions): ChatTemplate {
  const { user, assistant, system, end, pad, begin = '' } = options
  if (end === '') throw new RlhfError('TEMPLATE', 'chatTemplate: end is empty; name the special token at which the assistant stops')
  if (pad === end)
    throw new RlhfError(
      'TEMPLATE',
      `chatTemplate: pad and end are both ${JSON.stringify(end)}; with padding the stop token would be masked too and never learnt. Leave pad out, or give it a token of its own`,
    )
  for (const [name, marker] of Object.entries({ user, assistant, system }))
    if (marker === end)
      throw new RlhfError('TEMPLATE', `chatTemplate: ${name} and end are both ${JSON.stringify(end)}; expected different tokens`)
  return { ...options, begin }
}

/** Tokens with what is learnt of them. */
export interface Rendered {
  readonly ids: Int32Array
  /** 1 on tokens that are learnt or judged: the assistant's contents and the token that ends them. */
  readonly mask: Uint8Array
}

export interface RenderOptions {
  readonly tokenizer: Tokenizer
  readonly template: ChatTemplate
}

/**
 * A conversation as ids and mask. Every segment (marker, content, end) is tokenised by itself, so the border between prompt and answer lies where generation
 * will find it, and contents are ordinary text: a marker written out by a user stays letters. Errors: TEMPLATE for a marker that
 * the tokenizer does not know or a role that the template does not have.
 */
export function renderConversation(messages: readonly Message[], options: RenderOptions): Rendered {
  return renderTurns({ prompt: [], completion: messages }, options)
}

/** The same where only what the assistant says after the prompt is learnt. */
export function renderTurns({ prompt, completion }: Turns, options: RenderOptions): Rendered {
  const ids: number[] = []
  const mask: number[] = []
  const put = (tokens: ArrayLike<number>, learnt: boolean): void => {
    for (let i = 0; i < tokens.length; i++) {
      ids.push(tokens[i]!)
      mask.push(learnt ? 1 : 0)
    }
  }
  const writer = writerOf(options)
  put(writer.begin, false)
  for (const [part, learns] of [
    [prompt, false],
    [completion, true],
  ] as const)
    for (const { role, content } of part) {
      put(writer.marker(role), false)
      const learnt = learns && role === 'assistant'
      put(writer.content(content), learnt)
      put([writer.end], learnt)
    }
  return { ids: Int32Array.from(ids), mask: Uint8Array.from(mask) }
}

/** The ids to generate an answer from: the messages, and the marker of the assistant after them. Errors: TEMPLATE. */
export function renderPrompt(messages: readonly Message[], options: RenderOptions): Int32Array {
  const { ids } = renderTurns({ prompt: messages, completion: [] }, options)
  return Int32Array.from([...ids, ...writerOf(options).marker('assistant')])
}

/** The id of the token at which an answer ends: what to give to `stop`. Errors: TEMPLATE. */
export const stopToken = ({ tokenizer, template }: RenderOptions): number => writerOf({ tokenizer, template }).end

interface Writer {
  readonly begin: readonly number[]
  readonly end: number
  marker(role: Role): readonly number[]
  content(text: string): ArrayLike<number>
}

function writerOf({ tokenizer, template }: RenderOptions): Writer {
  const special = (name: string, text: string): readonly number[] => [
    ...tokenizer.encode(text, { special: 'allow', addSpecial: name === 'begin' }),
  ]
  const [end, ...more] = special('end', template.end)
  if (end === undefined || more.length > 0 || !tokenizer.specialTokens.has(template.end))
    throw new RlhfError(
      'TEMPLATE',
      `the template ends messages with ${JSON.stringify(template.end)}, which is not a special token of this tokenizer (it has ${[...tokenizer.specialTokens.keys()].join(', ') || 'none'}); train the tokenizer with it`,
    )
  return {
    begin: special('begin', template.begin),
    end,
    marker(role) {
      const text = template[role]
      if (text === undefined)
        throw new RlhfError('TEMPLATE', `a message has the role ${role}, and the template no marker for it; give chatTemplate one`)
      return special(role, text)
    },
    content: (text) => tokenizer.encode(text, { special: 'text', addSpecial: false }),
  }
}
