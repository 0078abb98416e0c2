// Bars 1 and 2, encoders: tiny ones and all-MiniLM-L6-v2 against sentence-transformers.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadEmbedder, loadReranker } from '@tesserae/transformer/node'
import { atLeast, atMost, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { miniLm } from '../embedding/minilm.js'

const fixtures = join(import.meta.dirname, '../../../../packages/transformer/src/encoders/__fixtures__')

const source: RowSource = async ({ log }) => [await tiny(), await real(log)]
export default source

async function tiny(): Promise<Row> {
  const { texts, pairs, embedders, rerankers } = JSON.parse(readFileSync(join(fixtures, 'answers.json'), 'utf8')) as {
    readonly texts: readonly string[]
    readonly pairs: readonly (readonly [string, string])[]
    readonly embedders: Record<string, { readonly vectors: readonly (readonly number[])[] }>
    readonly rerankers: Record<string, { readonly scores: readonly number[] }>
  }
  let worst = 0
  const compare = (ours: ArrayLike<number>, theirs: readonly number[]): void => {
    if (ours.length !== theirs.length) worst = Infinity
    theirs.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - ours[i]!))))
  }
  for (const [name, { vectors }] of Object.entries(embedders)) {
    const embedder = await loadEmbedder(join(fixtures, name))
    const found = (await embedder.embed(texts)).vectors
    vectors.forEach((vector, i) => compare(found[i]!, vector))
    embedder.dispose()
  }
  for (const [name, { scores }] of Object.entries(rerankers)) {
    const reranker = await loadReranker(join(fixtures, name))
    compare(await reranker.score(pairs), scores)
    reranker.dispose()
  }
  const names = [...Object.keys(embedders), ...Object.keys(rerankers)]
  return atMost('tiny encoders and rerankers, largest difference from sentence-transformers', worst, 1e-5, {
    digits: 8,
    note: names.join(', '),
  })
}

async function real(log: (line: string) => void): Promise<Row> {
  const figure = 'all-MiniLM-L6-v2, smallest cosine with its reference embeddings'
  try {
    const { folder, texts, reference } = await miniLm()
    const embedder = await loadEmbedder(folder)
    const { vectors } = await embedder.embed(texts)
    embedder.dispose()
    const cosines = vectors.map((vector, i) => {
      const other = reference[i]!
      const dot = vector.reduce((sum, value, d) => sum + value * other[d]!, 0)
      return dot / (Math.hypot(...vector) * Math.hypot(...other))
    })
    const worst = Math.max(...vectors.flatMap((vector, i) => Array.from(vector, (value, d) => Math.abs(value - reference[i]![d]!))))
    log(`MiniLM: entries differ by ${worst.toExponential(1)} at most`)
    return atLeast(figure, Math.min(...cosines), 0.9999, {
      digits: 7,
      note: `${texts.length} sentences; entries differ by ${worst.toExponential(1)} at most`,
    })
  } catch (error) {
    return unavailable(figure, '≥ 0.9999', error)
  }
}
