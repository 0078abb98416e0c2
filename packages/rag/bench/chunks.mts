// Chunking: the Cranfield abstracts, fifty to a document, cut by tokens (our default estimate on both sides) and by characters.
import { estimateTokenCount, recursive, type Document } from '@tesserae/rag'
import { contest, peer, time, type Side } from './contest.mjs'

interface TextSplitters {
  readonly RecursiveCharacterTextSplitter: new (options: {
    readonly chunkSize: number
    readonly chunkOverlap: number
    readonly lengthFunction: (text: string) => number
  }) => { splitText(text: string): Promise<string[]> }
}

export async function chunks(abstracts: readonly Document[], folder: string | undefined): Promise<void> {
  const documents = Array.from({ length: Math.ceil(abstracts.length / 50) }, (_, i) => ({
    id: String(i),
    text: abstracts
      .slice(50 * i, 50 * (i + 1))
      .map(({ text }) => text)
      .join('\n\n'),
  }))
  const megabytes = documents.reduce((sum, { text }) => sum + text.length, 0) / 1e6
  const langChain = await peer<TextSplitters>(folder, '@langchain/textsplitters')
  for (const { unit, size, overlap, count } of [
    { unit: 'tokens (estimated)', size: 256, overlap: 32, count: estimateTokenCount },
    { unit: 'characters', size: 1000, overlap: 128, count: (text: string) => text.length },
  ]) {
    const side = (name: string, cut: (() => Promise<readonly string[]>) | undefined): Side => ({
      name,
      run:
        cut &&
        (async () => {
          let pieces: readonly string[] = []
          const ms = await time(async () => (pieces = await cut()))
          const sizes = pieces.map(count)
          const mean = sizes.reduce((a, b) => a + b, 0) / sizes.length
          return {
            ms: { all: ms },
            quality: { chunks: String(pieces.length), 'mean size': mean.toFixed(0), largest: String(Math.max(...sizes)) },
          }
        }),
    })
    await contest(
      `Chunking ${megabytes.toFixed(2)} MB into at most ${size} ${unit}, ${overlap} repeated`,
      [
        side('@tesserae/rag', async () => {
          const chunker = recursive({ ...(count === estimateTokenCount ? {} : { tokenizer: { count } }), maxTokens: size, overlap })
          return documents.flatMap((document) => chunker.chunk(document).map(({ text }) => text))
        }),
        side(
          '@langchain/textsplitters',
          langChain &&
            (async () => {
              const splitter = new langChain.RecursiveCharacterTextSplitter({
                chunkSize: size,
                chunkOverlap: overlap,
                lengthFunction: count,
              })
              const all: string[] = []
              for (const { text } of documents) all.push(...(await splitter.splitText(text)))
              return all
            }),
        ),
      ],
      15,
    )
  }
}
