/** Conversations made of topics: questions as people type them, several exchanges in a row, no more than fit. */
import type { RandomStream } from '@tesserae/core'
import type { ConversationRow, Message } from '@tesserae/rlhf'
import type { Question } from './topics.js'
import { asTyped } from './typing.js'

export interface ConversationOptions {
  /** How often a question written by hand is asked, each time worded and answered anew; one made by a frame is asked half as often. */
  readonly passes: number
  readonly random: RandomStream
  /** Length of an exchange as the model reads it. */
  readonly measure: (messages: readonly Message[]) => number
  /** Longest conversation, in the same measure. */
  readonly longest: number
}

const user = (content: string): Message => ({ role: 'user', content })
const assistant = (content: string): Message => ({ role: 'assistant', content })

/**
 * Every exchange, in an order of its own in every pass, packed into conversations. A follow-up stands right behind a question of its topic.
 * Conversations of some exchanges teach that a new question has little to do with what was said before, unless it follows up.
 */
export function conversationsOf(
  questions: readonly Question[],
  { passes, random, measure, longest }: ConversationOptions,
): ConversationRow[] {
  const exchange = ({ topic, text }: Question): Message[] => [user(asTyped(text, random)), assistant(random.choice(topic.say))]
  const followUps = [...new Set(questions.map(({ topic }) => topic))].flatMap((topic) =>
    topic.next.map(([question, answer]) => ({ own: questions.filter((other) => other.topic === topic), question, answer })),
  )
  return Array.from({ length: passes }).flatMap(() => {
    const exchanges = [
      ...questions.filter(({ written }) => written || random.uniform() < 0.5).map(exchange),
      ...followUps.map(({ own, question, answer }) => [
        ...exchange(random.choice(own)),
        user(asTyped(question, random)),
        assistant(answer),
      ]),
    ]
    return packed(random.shuffle(exchanges), measure, longest)
  })
}

/** Puts exchanges together, in their order, as long as they fit. */
function packed(exchanges: readonly Message[][], measure: (messages: readonly Message[]) => number, longest: number): ConversationRow[] {
  const rows: ConversationRow[] = []
  let open: Message[] = []
  let length = 0
  for (const messages of exchanges) {
    const size = measure(messages)
    if (size > longest)
      throw new Error(`'${messages[0]!.content}' and its answer are ${size} tokens long; no more than ${longest} fit. Shorten them.`)
    if (length + size > longest) {
      rows.push({ messages: open })
      open = []
      length = 0
    }
    open.push(...messages)
    length += size
  }
  return open.length === 0 ? rows : [...rows, { messages: open }]
}
