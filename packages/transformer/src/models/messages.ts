import type { ModelMessage } from '@tesserae/core'
import { TransformerError } from '../errors.js'
import type { ModelWarning } from './spec.js'

/** A message whose content is one text. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/**
 * The messages of a call as plain texts. Reasoning of earlier answers is left out with a warning. Errors: OPTION for what no text model
 * can read: files, tool calls and their results.
 */
export function chatMessages(prompt: readonly ModelMessage[], warnings: ModelWarning[]): ChatMessage[] {
  return prompt.map((message, i) => {
    if (message.role === 'system') return { role: 'system', content: message.content }
    if (message.role === 'tool') throw unreadable(`message ${i} is a tool's result`)
    const texts: string[] = []
    for (const part of message.content) {
      if (part.type === 'text') texts.push(part.text)
      else if (part.type === 'reasoning')
        warnings.push({ type: 'other', message: `the reasoning in message ${i} was left out: this model has no place for it` })
      else throw unreadable(`message ${i} (${message.role}) has a part of type '${part.type}'`)
    }
    return { role: message.role, content: texts.join('') }
  })
}

const unreadable = (what: string): TransformerError =>
  new TransformerError('OPTION', `${what}; this model reads text alone. Put what it should know into a text part`)

/** The contents, a blank line between them: for models that continue text and know no roles. */
export const plainPrompt = (messages: readonly ChatMessage[]): string => messages.map(({ content }) => content).join('\n\n')
