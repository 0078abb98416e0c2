import { readdirSync, readFileSync } from 'node:fs'
import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { probes, prompts } from '../rooms/align/prompts.js'
import { starters } from '../rooms/chat/starters.js'
import { conversationsOf } from './conversations.js'
import { parseTopics, questionsOf } from './topics.js'
import { asTyped } from './typing.js'

const folder = new URL('../../data/topics/', import.meta.url)
const files = readdirSync(folder).toSorted()
const topics = files.flatMap((name) => parseTopics(readFileSync(new URL(name, folder), 'utf8'), name))
const line = (topic: Readonly<Record<string, unknown>>): string => JSON.stringify(topic)

describe('the topics of the chat model', () => {
  it('are in six files, every question in one topic', () => {
    expect(files).toHaveLength(6)
    expect(questionsOf(topics).length).toBeGreaterThan(3000)
  })

  it('have short answers that end as sentences do', () => {
    for (const answer of topics.flatMap(({ say, next }) => [...say, ...next.map(([, text]) => text)])) {
      expect(answer).toMatch(/^[A-Z0-9][\x20-\x7e]*[.!?]$/)
      expect(answer.split(' ').length, answer).toBeLessThanOrEqual(25)
    }
  })

  it('include whatever the rooms suggest to ask', () => {
    const known = new Set(questionsOf(topics).map(({ text }) => text))
    expect([...starters, ...prompts, ...probes].filter((text) => !known.has(text))).toEqual([])
  })

  it('agree with the model that is shipped', () => {
    const file = readFileSync(new URL('../../public/chat/model.safetensors', import.meta.url))
    const headerBytes = Number(file.readBigUInt64LE(0))
    const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString()) as Readonly<
      Record<string, { readonly shape?: readonly number[]; readonly config?: string }>
    >
    const { context, vocabSize } = JSON.parse(header['__metadata__']!.config!) as { readonly context: number; readonly vocabSize: number }
    const parameters = Object.values(header).reduce((sum, { shape = [0] }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    const answers = topics.flatMap(({ say }) => say)
    expect(Math.round(parameters / 1e6)).toBe(2)
    expect(answers).toContain('I have about two million parameters, which is very small for a language model.')
    expect(answers).toContain(`The context is all that a model can read at once. Mine is ${context} tokens.`)
    expect(Math.round(vocabSize / 1000)).toBe(2)
    expect(answers).toContain('My vocabulary has about two thousand tokens, which is small.')
    const card = readFileSync(new URL('../../public/chat/MODEL-CARD.md', import.meta.url), 'utf8')
    expect(card).toContain(`A Llama of ${(parameters / 1e6).toFixed(2)} million parameters`)
    expect(card).toContain(`context ${context}, vocabulary ${vocabSize}`)
    expect(card).toContain(`The file is ${(file.byteLength / 1e6).toFixed(1)} MB of float16`)
    expect(card).toContain(`on ${topics.length} topics`)
  })
})

describe('parseTopics', () => {
  it('says which line is wrong, and why', () => {
    const good = line({ ask: ['Is it?'], say: ['Yes.', 'It is.'] })
    expect(() => parseTopics(`${good}\n${line({ ask: ['Is it?'], say: ['Yes.'] })}`, 'a.jsonl')).toThrow(
      'a.jsonl, line 2: has 1 answers in say',
    )
    expect(() => parseTopics(line({ asks: [], say: ['Yes.', 'It is.'] }), 'a.jsonl')).toThrow("'asks' is none of what, are, who")
    expect(() => parseTopics(line({ ask: ['Is it? '], say: ['Yes.', 'It is.'] }), 'a.jsonl')).toThrow('ask is to be a list of texts')
    expect(() => parseTopics(line({ next: [['Why?']], say: ['Yes.', 'It is.'] }), 'a.jsonl')).toThrow('next is to be a list of questions')
    expect(() => parseTopics(line({ ask: ['Is {}?'], say: ['Yes.', 'It is.'] }), 'a.jsonl')).toThrow("a list 'fill' belong together")
  })
})

describe('questionsOf', () => {
  it('fills frames and blanks, and marks what was written by hand', () => {
    const [topic] = parseTopics(line({ who: ['Pip'], ask: ['Where is {}?', 'Why?'], fill: ['$1', 'Rome'], say: ['Here.', 'There.'] }), 'a')
    const questions = questionsOf([topic!])
    expect(questions.slice(0, 4).map(({ text, written }) => [text, written])).toEqual([
      ['Where is $1?', false],
      ['Where is Rome?', false],
      ['Why?', true],
      ['Who is Pip?', false],
    ])
  })

  it('refuses one question with the answers of two topics', () => {
    const two = [line({ ask: ['Why?'], say: ['A.', 'B.'] }), line({ ask: ['Why?'], say: ['C.', 'D.'] })].join('\n')
    expect(() => questionsOf(parseTopics(two, 'a'))).toThrow("'Why?' belongs to two topics: one that says 'A.' and one that says 'C.'")
  })
})

describe('conversationsOf', () => {
  const questions = questionsOf(topics)
  const measure = (messages: readonly { readonly content: string }[]): number =>
    messages.reduce((sum, { content }) => sum + content.length, 0)
  const options = { passes: 2, measure, longest: 400 }

  it('asks every written question in every pass, within the length, the user first', () => {
    const rows = conversationsOf(questions, { ...options, random: random(1) })
    const asked = rows.flatMap(({ messages }) => messages.filter(({ role }) => role === 'user').map(({ content }) => content.toLowerCase()))
    for (const { messages } of rows) {
      expect(measure(messages)).toBeLessThanOrEqual(400)
      expect(messages.map(({ role }) => role)).toEqual(messages.map((_, i) => (i % 2 === 0 ? 'user' : 'assistant')))
    }
    expect(asked.length).toBeGreaterThan(2 * questions.filter(({ written }) => written).length)
    expect(asked.length).toBeLessThan(2 * questions.length)
    // Words of one written question each, for which no others may stand.
    for (const word of ['tambourine', 'unicorn']) expect(asked.filter((text) => text.includes(word)).length, word).toBeGreaterThanOrEqual(2)
    const share = rows.reduce((sum, { messages }) => sum + measure(messages), 0) / rows.length / 400
    expect(share).toBeGreaterThan(0.7)
  })

  it('puts a follow-up behind a question of its topic', () => {
    const rows = conversationsOf(questions, { ...options, random: random(4) })
    const [topic] = topics.filter(({ next }) => next.some(([, answer]) => answer === 'His ship is the Pequod, a whaler from Nantucket.'))
    const before = rows.flatMap(({ messages }) =>
      messages.flatMap(({ content }, i) =>
        content === 'His ship is the Pequod, a whaler from Nantucket.' ? [messages[i - 2]!.content] : [],
      ),
    )
    expect(before).toHaveLength(2)
    for (const answer of before) expect(topic!.say).toContain(answer)
  })

  it('depends on the seed alone', () => {
    const of = (seed: number) => conversationsOf(questions.slice(0, 40), { ...options, random: random(seed) })
    expect(of(1)).toEqual(of(1))
    expect(of(2)).not.toEqual(of(1))
  })

  it('names an exchange that does not fit', () => {
    expect(() => conversationsOf(questions.slice(0, 1), { ...options, random: random(1), longest: 10 })).toThrow(
      'no more than 10 fit. Shorten them',
    )
  })
})

describe('asTyped', () => {
  const stream = random(3)
  const typed = (text: string) => new Set(Array.from({ length: 400 }, () => asTyped(text, stream)))

  it('types as people do', () => {
    const pod = typed("What's a pod?")
    for (const form of ["What's a pod?", 'whats a pod', "Hello! What's a pod?"]) expect(pod).toContain(form)
    const sea = typed('Is the sea large?')
    for (const form of ['Is the ocean large?', 'is the sea huge', 'sea large?']) expect(sea).toContain(form)
  })

  it('leaves something to ask', () => {
    for (const text of typed('Are you?')) expect(text.replaceAll(/[.?!]/g, '').trim()).not.toBe('')
  })
})
