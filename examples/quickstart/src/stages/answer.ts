import { join } from 'node:path'
import { createRag, type Document } from '@tesserae/rag'
import { directory } from '@tesserae/rag/node'
import { digest, writeWhole } from '../files.js'
import type { Stage } from '../stage.js'
import { progressBar } from '../terminal.js'

const root = join(import.meta.dirname, '../../../..')
const places = {
  include: ['README.md', 'CONTRIBUTING.md', 'docs/**/*.md', 'packages/*/README.md'],
  exclude: ['apps', 'examples', 'tests', 'tools', '**/src', '**/dist'],
}

/** Reads this project's documents, finds the passages for a question, and answers in their words, each with its place. */
export const answerStage: Stage = {
  name: 'answer',
  title: 'Retrieval: a question answered from this project’s documents, with citations',
  code: 'examples/quickstart/src/stages/answer.ts',
  needs: [],
  inputs: async ({ question }) => ({ question, documents: digest(JSON.stringify(await read())) }),
  async run({ options, ui, signal, folder }) {
    const documents = await read(signal)
    await using rag = await createRag()
    const { chunks } = await rag.sync(documents, {
      signal,
      onProgress: ({ completed, total }) => ui.status(`   ${progressBar(completed, total ?? documents.length)}  documents`),
    })
    const { text, citations, passages, confidence = NaN, abstained } = await rag.answer(options.question, { signal }).result()
    const place = (id: string | null, start: number | undefined): string => {
      const source = documents.find((document) => document.id === id)
      return source === undefined || start === undefined ? 'nowhere' : `${source.id}:${source.text.slice(0, start).split('\n').length}`
    }
    await writeWhole(join(folder, 'answer.json'), JSON.stringify({ question: options.question, text, citations }, null, 2))
    return {
      figures: {
        documents: documents.length,
        chunks,
        passages: passages.length,
        citations: citations.length,
        confidence,
        abstained: Number(abstained),
      },
      lines: [
        `${documents.length} documents, ${chunks} passages; the ${passages.length} that fit best are read (BM25, nothing made up: the sentences are theirs)`,
        `“${options.question}”`,
        `  ${text.replaceAll(/\s+/g, ' ')}`,
        ...citations.map(({ marker, sourceId, span, verdict }) => `  [${marker}] ${place(sourceId, span?.start)}, checked: ${verdict}`),
      ],
    }
  },
}

/** The documents with their texts, in the order of their paths. */
async function read(signal?: AbortSignal): Promise<Document[]> {
  const all: Document[] = []
  for await (const document of directory(root, places)) all.push(await document.load(signal === undefined ? {} : { signal }))
  return all
}
