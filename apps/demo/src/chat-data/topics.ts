/** Topics that the chat model learns to talk about, and the questions that belong to each. They are read when it is trained, never on the page. */

export interface Topic {
  /** What "What is …?" and its like may ask about. */
  readonly what: readonly string[]
  /** The same in the plural. */
  readonly are: readonly string[]
  /** People, and whales with a name. */
  readonly who: readonly string[]
  /** Questions as they stand; `{}` is filled with each of `fill`. */
  readonly ask: readonly string[]
  readonly fill: readonly string[]
  /** Answers, any of which fits any of the questions. */
  readonly say: readonly string[]
  /** What may be asked next, each with its answer. */
  readonly next: readonly (readonly [question: string, answer: string])[]
}

export interface Question {
  readonly topic: Topic
  readonly text: string
  /** Stands in the file word for word; the others are made by a frame. */
  readonly written: boolean
}

const frames = {
  what: [
    'What is {}?',
    "What's {}?",
    'Tell me about {}.',
    'Tell me what {} is.',
    'Can you explain what {} is?',
    'What do you know about {}?',
    'What can you tell me about {}?',
    'Do you know what {} is?',
    'Explain {}.',
  ],
  are: ['What are {}?', 'Tell me about {}.', 'What do you know about {}?', 'What can you tell me about {}?', 'Can you explain {}?'],
  who: [
    'Who is {}?',
    'Who was {}?',
    'Tell me about {}.',
    'Tell me who {} is.',
    'What do you know about {}?',
    'Can you tell me who {} is?',
    'Do you know {}?',
  ],
} as const
const names = ['what', 'are', 'who', 'ask', 'fill', 'say', 'next'] as const

const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() === value && value !== ''
const isExchange = (value: unknown): boolean => Array.isArray(value) && value.length === 2 && value.every(isText)

/** Reads topics from JSON lines. Errors say which line of which file is not one. */
export function parseTopics(text: string, label: string): Topic[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => {
      const where = `${label}, line ${i + 1}`
      const given = JSON.parse(line) as Readonly<Record<string, unknown>>
      for (const [name, values] of Object.entries(given)) {
        if (!names.some((known) => known === name)) throw new Error(`${where}: '${name}' is none of ${names.join(', ')}`)
        if (!Array.isArray(values) || !values.every(name === 'next' ? isExchange : isText))
          throw new Error(
            `${where}: ${name} is to be a list of ${name === 'next' ? 'questions with their answers' : 'texts without outer blanks'}`,
          )
      }
      const topic = { what: [], are: [], who: [], ask: [], fill: [], next: [], say: [], ...given } as Topic
      if (topic.say.length < 2)
        throw new Error(`${where}: has ${topic.say.length} answers in say; expected two or more, worded differently`)
      if (topic.ask.some((ask) => ask.includes('{}')) !== topic.fill.length > 0)
        throw new Error(`${where}: questions with {} and a list 'fill' belong together; one of them is missing`)
      return topic
    })
}

/** Every question of every topic, once. Errors: when two topics have the same question, for it can have the answers of one only. */
export function questionsOf(topics: readonly Topic[]): Question[] {
  const found = new Map<string, Question>()
  for (const topic of topics) {
    const add = (text: string, written: boolean): void => {
      const before = found.get(text)
      if (before !== undefined && before.topic !== topic)
        throw new Error(`'${text}' belongs to two topics: one that says '${before.topic.say[0]}' and one that says '${topic.say[0]}'`)
      if (before === undefined) found.set(text, { topic, text, written })
    }
    for (const ask of topic.ask) {
      if (!ask.includes('{}')) add(ask, true)
      else
        for (const thing of topic.fill)
          add(
            ask.replace('{}', () => thing),
            false,
          )
    }
    for (const kind of ['what', 'are', 'who'] as const)
      for (const thing of topic[kind])
        for (const frame of frames[kind])
          add(
            frame.replace('{}', () => thing),
            false,
          )
  }
  return [...found.values()]
}
