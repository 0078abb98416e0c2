// Documents that are none, and an index that belongs to another embedder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EmbeddingModelLike } from '@tesserae/core'
import { createRag, memoryStore, type Rag } from '@tesserae/rag'
import { directory, fileStore } from '@tesserae/rag/node'
import type { WrongInput } from './case.js'

const scratch = mkdtempSync(join(tmpdir(), 'tesserae-wrong-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const file = (name: string, content: string | Uint8Array): void => writeFileSync(join(scratch, name), content)

/** An embedder that counts letters, rotated by `shift`: another shift is another model under the same name. */
const letters = (shift: number, modelId = 'letters'): EmbeddingModelLike => ({
  specificationVersion: 'v3',
  provider: 'acceptance',
  modelId,
  maxEmbeddingsPerCall: undefined,
  supportsParallelCalls: true,
  doEmbed: async ({ values }) => ({
    embeddings: values.map((text) => {
      const counts = Array.from({ length: 26 }, () => 0.1)
      for (const letter of text.toLowerCase()) if (letter >= 'a' && letter <= 'z') counts[(letter.charCodeAt(0) - 97 + shift) % 26]! += 1
      return counts
    }),
  }),
})

const found = async (rag: Rag): Promise<boolean> =>
  (await rag.search('whale', { mode: 'lexical' })).hits.some(({ chunk }) => chunk.sourceId === 'whale.md')

const notText = (title: string, content: Uint8Array): WrongInput => {
  const store = memoryStore()
  let rag: Rag | undefined
  return {
    title: `documents: ${title}`,
    code: 'NOT_TEXT',
    says: /picture\.md/,
    async attempt() {
      file('whale.md', '# Whales\n\nA whale is a mammal.')
      file('picture.md', content)
      rag = await createRag({ store })
      await rag.sync(directory(scratch, { include: ['*.md'], exclude: ['picture.md'] }))
      await rag.sync(directory(scratch, { include: ['*.md'] }), { mode: 'full' })
    },
    damage: async () => ((await found(rag!)) ? undefined : 'what was indexed before is gone'),
  }
}

const mismatch = (title: string, other: EmbeddingModelLike): WrongInput => {
  const folder = join(scratch, title.replaceAll(/\W+/g, '-'))
  return {
    title: `an index made by another embedder: ${title}`,
    code: 'MANIFEST',
    says: /was made with the embedder acceptance\/letters.*is opened with/s,
    async attempt() {
      file('whale.md', '# Whales\n\nA whale is a mammal.')
      const rag = await createRag({ store: fileStore(folder), embedder: letters(0) })
      await rag.sync(directory(scratch, { include: ['whale.md'] }))
      await rag.close()
      await (await createRag({ store: fileStore(folder), embedder: other })).close()
    },
    async damage() {
      await using rag = await createRag({ store: fileStore(folder), embedder: letters(0) })
      return (await found(rag)) ? undefined : 'the index is damaged'
    },
  }
}

export const retrievalCases: readonly WrongInput[] = [
  notText('a picture with a Markdown name', Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13])),
  notText('bytes that are not UTF-8', Uint8Array.from([0x57, 0x68, 0xff, 0xfe, 0x61])),
  mismatch('of another name', letters(0, 'other')),
  mismatch('of the same name and size that gives other vectors', letters(9)),
]
