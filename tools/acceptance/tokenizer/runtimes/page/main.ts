import { createBatchEncoder } from '@tesserae/tokenizer/batch'
import { cl100k_base } from '@tesserae/tokenizer/encodings/cl100k_base'
import { sample, work, type Result } from '../work.js'

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const inWorker = await new Promise<Result>((resolve, reject) => {
  worker.onmessage = ({ data }: MessageEvent<Result>) => resolve(data)
  worker.onerror = ({ message }) => reject(new Error(message))
})
const encoder = await createBatchEncoder({ encodingData: cl100k_base }, { workers: 2 })
const encoded = await encoder.encodeBatch([sample, '', sample])
await encoder.close()
document.body.dataset['results'] = JSON.stringify({ page: work(), worker: inWorker, batch: encoded.map((ids) => [...ids]) })
