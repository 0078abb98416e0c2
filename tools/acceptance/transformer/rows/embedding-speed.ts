// Bar 3, embeddings: a batch of 64 sentences against transformers.js on the same weights, in one process, taking turns.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadEmbedder } from '@tesserae/transformer/node'
import { npmFolderWith } from '../../lib/npm.js'
import { atLeast, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { compareTimes } from '../../lib/timing.js'
import { miniLm } from '../embedding/minilm.js'

const peer = '@huggingface/transformers@4.3.1'
const target = 1.2

interface TransformersJs {
  readonly env: { allowRemoteModels: boolean; localModelPath: string }
  pipeline(task: string, model: string, options: object): Promise<Extract>
}
type Extract = (texts: readonly string[], options: object) => Promise<{ readonly data: Float32Array }>

const source: RowSource = async ({ log }) => {
  const figure = 'a batch of 64 sentences, times as fast as @huggingface/transformers'
  try {
    const { folder, texts } = await miniLm()
    const packages = npmFolderWith('transformers-js', [peer])
    const entry = join(packages, 'node_modules/@huggingface/transformers/dist/transformers.node.mjs')
    const { env, pipeline } = (await import(pathToFileURL(entry).href)) as TransformersJs
    env.allowRemoteModels = false
    env.localModelPath = `${join(folder, '..')}/`
    const session_options = { intraOpNumThreads: 2, interOpNumThreads: 1 }
    const extract = await pipeline('feature-extraction', folder.split('/').at(-1)!, { dtype: 'fp32', session_options })
    const theirs = (batch: readonly string[]) => extract(batch, { pooling: 'mean', normalize: true })
    const embedder = await loadEmbedder(folder)
    const rows: Row[] = []
    // Sentences as they come, and the case that is worst for us: none needs filling.
    const even = texts.map((text) => text.split(' ').slice(0, 4).join(' '))
    for (const [name, batch, gated] of [
      ['of a novel', texts, true],
      ['of four words', even, false],
    ] as const) {
      const [ours, other] = [(await embedder.embed(batch)).vectors, await theirs(batch)]
      const worst = Math.max(
        ...ours.flatMap((vector, i) => Array.from(vector, (value, d) => Math.abs(value - other.data[i * vector.length + d]!))),
      )
      if (!(worst < 1e-4)) return unavailable(figure, `≥ ${target}`, `the two results differ by ${worst}`)
      const times = await compareTimes({ ours: () => embedder.embed(batch), theirs: () => theirs(batch) }, { warmup: 2, runs: 12 })
      const ratio = times.theirs / times.ours
      const note = `${times.ours.toFixed(0)} against ${times.theirs.toFixed(0)} ms, tokenizing included, 2 threads each; medians of 12 alternating turns; ${peer} in f32 (onnxruntime-node)`
      log(`${name}: ${note}`)
      rows.push(
        gated
          ? atLeast(`${figure}, ${name}`, ratio, target, { note })
          : row(`${figure}, ${name}`, 'reported', ratio.toFixed(2), true, note),
      )
    }
    embedder.dispose()
    return rows
  } catch (error) {
    return unavailable(figure, `≥ ${target}`, error)
  }
}
export default source
