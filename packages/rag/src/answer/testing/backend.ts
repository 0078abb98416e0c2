import type { LanguageModelCall, LanguageModelLike, ModelStreamPart } from '@tesserae/core'
import type { AnswerBackend, AnswerPart, Passage } from '../types.js'
import { wordsOf } from '../words.js'

/** A passage of the source `id`, at `start` of it. */
export const passage = (
  id: string,
  text: string,
  { start = 0, score = 1, title }: { start?: number; score?: number; title?: string } = {},
): Passage => ({
  chunkId: `chunk-${id}`,
  sourceId: id,
  span: { start, end: start + text.length },
  text,
  score,
  ...(title === undefined ? {} : { title }),
})

const stopWords = new Set(
  'a an the of in on at to is are was were and or it its by for with what which who when how many did does do that this from'.split(' '),
)

/** Lower case words without the commonest, a final s cut off. */
export const terms = (text: string): string[] =>
  wordsOf(text)
    .map(({ form }) => form)
    .filter((form) => !stopWords.has(form))
    .map((form) => (form.length > 3 ? form.replace(/s$/, '') : form))

/** A backend that finds the passages sharing most terms with the query. */
export function backendOf(passages: readonly Passage[]): AnswerBackend & { readonly queries: string[] } {
  const queries: string[] = []
  return {
    queries,
    terms,
    search(query, { k }) {
      queries.push(query)
      const asked = new Set(terms(query))
      const scored = passages.map((one) => ({ ...one, score: terms(one.text).filter((term) => asked.has(term)).length }))
      return Promise.resolve(
        scored
          .filter(({ score }) => score > 0)
          .sort((a, b) => b.score - a.score)
          .slice(0, k),
      )
    },
  }
}

/** One reply of a scripted model: the parts of its stream, or its text in pieces. */
export type Reply = readonly string[] | readonly ModelStreamPart[]

/** A model that replies what it was told to, in order, and remembers how it was called. */
export function scripted(replies: readonly Reply[]): LanguageModelLike & { readonly calls: LanguageModelCall[] } {
  const calls: LanguageModelCall[] = []
  return {
    specificationVersion: 'v3',
    provider: 'scripted',
    modelId: 'test',
    calls,
    doGenerate: () => Promise.reject(new Error('not used')),
    doStream(call) {
      const reply = replies[calls.length] ?? []
      calls.push({ ...call, prompt: [...call.prompt] })
      return Promise.resolve({ stream: streamOf(partsOf(reply)) })
    },
  }
}

const streamOf = <Part>(parts: readonly Part[]): ReadableStream<Part> =>
  new ReadableStream<Part>({
    start(controller) {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    },
  })

function partsOf(reply: Reply): ModelStreamPart[] {
  if (reply.some((piece) => typeof piece !== 'string')) return reply as ModelStreamPart[]
  return [
    ...(reply as readonly string[]).map((delta): ModelStreamPart => ({ type: 'text-delta', id: '0', delta })),
    { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage: { inputTokens: { total: 10 }, outputTokens: { total: 5 } } },
  ]
}

/** All parts of a stream. */
export async function collect(parts: AsyncIterable<AnswerPart>): Promise<AnswerPart[]> {
  const all: AnswerPart[] = []
  for await (const part of parts) all.push(part)
  return all
}
