import type { ChatMessage } from '@tesserae/tokenizer'
import { fuzzTexts, randomFrom } from '../texts/fuzz.js'

/** A chat and how it is rendered, as Python's side takes it too. */
export interface FuzzedChat {
  readonly template: string
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly unknown[]
  readonly documents?: readonly unknown[]
  readonly addGenerationPrompt: boolean
  readonly continueFinalMessage: boolean
}

const NAMES = ['<|im_end|>', '</s>', '<s>', '<|im_start|>system', '<|endoftext|>', '</think>', '<tool_call>', '{{ x }}', '{% raw %}']

/** Chats of one to six messages, some with a system message, calls of tools, documents, and names of special tokens in what users say. */
export function fuzzedChats(templates: readonly string[], count: number, seed: number): FuzzedChat[] {
  const random = randomFrom(seed)
  const below = (most: number): number => Math.floor(random() * most)
  const words = fuzzTexts(count * 4, seed + 1).map((text) => text.replace(/[\ud800-\udfff]/gu, '\ufffd').slice(0, 120))
  const content = (): string => {
    const text = words[below(words.length)]!
    return random() < 0.4 ? `${text}${NAMES[below(NAMES.length)]!}${words[below(words.length)]!}` : text
  }
  const call = (): ChatMessage => ({
    role: 'assistant',
    content: random() < 0.5 ? '' : content(),
    tool_calls: [
      {
        id: `call0000${below(9)}`,
        type: 'function',
        function: { name: 'find_ship', arguments: { name: content(), years: [1851, below(2000)], deep: { a: null, b: true } } },
      },
    ],
  })
  const tool = (): unknown => ({
    type: 'function',
    function: {
      name: 'find_ship',
      description: content(),
      parameters: {
        type: 'object',
        properties: { name: { type: 'string' }, years: { type: 'array', items: { type: 'integer' } } },
        required: ['name'],
      },
    },
  })
  return templates.flatMap((template) =>
    Array.from({ length: count }, (): FuzzedChat => {
      const messages: ChatMessage[] = random() < 0.4 ? [{ role: 'system', content: content() }] : []
      for (let turns = 1 + below(3); turns > 0; turns--) {
        messages.push({ role: 'user', content: content() })
        if (random() < 0.2) messages.push(call(), { role: 'tool', name: 'find_ship', content: content(), tool_call_id: 'call00001' })
        if (turns > 1 || random() < 0.5) messages.push({ role: 'assistant', content: content() })
      }
      const ends = messages.at(-1)!.role
      const continueFinalMessage = ends === 'assistant' && random() < 0.3
      return {
        template,
        messages,
        ...(random() < 0.4 ? { tools: [tool()] } : {}),
        ...(random() < 0.3 ? { documents: [{ title: content(), text: content() }] } : {}),
        addGenerationPrompt: !continueFinalMessage && random() < 0.5,
        continueFinalMessage,
      }
    }),
  )
}
