/** How conversations are written for the chat model: special tokens mark who speaks, and one ends each turn. */
import { chatTemplate, renderPrompt, stopToken, type Message } from '@tesserae/rlhf'
import type { Tokenizer } from '@tesserae/tokenizer'

export const template = chatTemplate({ user: '<|user|>', assistant: '<|assistant|>', end: '<|end|>' })

/** The special tokens of the chat model's vocabulary. */
export const specialTokens: readonly string[] = ['<|endoftext|>', template.user, template.assistant, template.end]

export const endId = (tokenizer: Tokenizer): number => stopToken({ tokenizer, template })

/** Ids that end where the assistant begins to speak. The oldest exchanges are left out when `room` tokens do not hold them all. */
export function promptIds(messages: readonly Message[], tokenizer: Tokenizer, room: number): Int32Array {
  for (let from = 0; from < messages.length; from++) {
    if (messages[from]!.role !== 'user') continue
    const ids = renderPrompt(messages.slice(from), { tokenizer, template })
    if (ids.length <= room) return ids
  }
  throw new Error(`The message is longer than the ${room} tokens that this model can read at once. Shorten it.`)
}
