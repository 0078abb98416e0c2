import { work, type Result } from '../work.js'

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const inWorker = await new Promise<Result>((resolve, reject) => {
  worker.onmessage = ({ data }: MessageEvent<Result>) => resolve(data)
  worker.onerror = ({ message }) => reject(new Error(message))
})
document.body.dataset['results'] = JSON.stringify({ page: work(), worker: inWorker })
