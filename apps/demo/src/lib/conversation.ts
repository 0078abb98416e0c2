/** How conversations are written for the chat model: special tokens mark who speaks, and one ends each turn. */
import type { Tokenizer } from '@tesserae/tokenizer'

export const markers = { user: '<|user|>', assistant: '<|assistant|>', end: '<|end|>' } as const

/** The special tokens of the chat model's vocabulary. */
export const specialTokens: readonly string[] = ['<|endoftext|>', ...Object.values(markers)]

export interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

const idOf = (tokenizer: Tokenizer, marker: string): number => {
  const id = tokenizer.specialTokens.get(marker)
  if (id === undefined) throw new Error(`The vocabulary has no token ${marker}; it is not the chat model's.`)
  return id
}

export const endId = (tokenizer: Tokenizer): number => idOf(tokenizer, markers.end)

/** Ids of a conversation, and which of them the model learns to write: answers with the token that ends them. */
export function renderConversation(messages: readonly Message[], tokenizer: Tokenizer): { ids: number[]; learnt: boolean[] } {
  const ids: number[] = []
  const learnt: boolean[] = []
  for (const { role, content } of messages) {
    const written = [...tokenizer.encode(content, { special: 'text' }), endId(tokenizer)]
    ids.push(idOf(tokenizer, markers[role]), ...written)
    learnt.push(false, ...written.map(() => role === 'assistant'))
  }
  return { ids, learnt }
}

/** Ids that end where the assistant begins to speak. The oldest exchanges are left out when `room` tokens do not hold them all. */
export function renderPrompt(messages: readonly Message[], tokenizer: Tokenizer, room: number): number[] {
  for (let from = 0; from < messages.length; from++) {
    if (messages[from]!.role !== 'user') continue
    const ids = [...renderConversation(messages.slice(from), tokenizer).ids, idOf(tokenizer, markers.assistant)]
    if (ids.length <= room) return ids
  }
  throw new Error(`The message is longer than the ${room} tokens that this model can read at once. Shorten it.`)
}
