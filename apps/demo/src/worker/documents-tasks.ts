import { createRag, documents, memoryStore, type Rag } from '@tesserae/rag'
import { markdown } from '@tesserae/rag/markdown'
import type { DocumentsCalls, SourceText } from './documents-calls.js'
import type { Tasks } from './protocol.js'

let opened: Promise<Rag> | undefined

const rag = (): Promise<Rag> => (opened ??= createRag({ store: memoryStore() }))

/** Markdown brings its headings, which answers are found by; other files are one run of text. */
const documentOf = ({ id, text }: SourceText) => (/\.(md|markdown|mdx)$/i.test(id) ? markdown({ id, text }) : { id, text, title: id })

export const documentsTasks: Tasks<DocumentsCalls> = {
  async 'documents.sync'({ documents: given }, { signal, emit }) {
    const index = await rag()
    const result = await index.sync(documents(given.map(documentOf)), {
      mode: 'full',
      onError: 'skip',
      signal,
      onProgress: ({ completed, total = given.length }) => emit({ completed, total }),
    })
    const { added, changed, deleted, failed, ms } = result
    const { sources, chunks } = await index.stats()
    return {
      added,
      changed,
      deleted,
      sources,
      chunks,
      ms,
      failed: failed.map(({ sourceId, error }) => ({ id: sourceId, reason: error.message })),
    }
  },
  async 'documents.ask'({ question }, { signal, emit }) {
    const index = await rag()
    const answer = index.answer(question, { k: 6, sentences: 2, signal })
    for await (const part of answer.stream()) {
      emit(part)
      if (part.type === 'finish') return part.result
    }
    throw new Error('The answer ended without a result. Ask again.')
  },
}
