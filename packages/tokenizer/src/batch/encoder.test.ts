import { MessageChannel, Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it } from 'vitest'
import { mobyJson } from '../__fixtures__/reference.js'
import { sentencePieceAnswers, unzipped } from '../__fixtures__/sentencepiece.js'
import { Tokenizer } from '../tokenizer.js'
import { createBatchEncoder, type BatchEncoder } from './encoder.js'
import { serve } from './serve.js'
import type { WorkerLike } from './thread.js'

// Node reads no TypeScript in a thread unless that thread registers what does.
const bootstrap = `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
register()
await import(${JSON.stringify(new URL('../batch-worker.ts', import.meta.url).href)})`
const script = `data:text/javascript,${encodeURIComponent(bootstrap)}`
const conditions = '--conditions=@tesserae/source'
const start = (): Worker => new Worker(new URL(script), { execArgv: [conditions] })
const json = mobyJson()
const tokenizer = Tokenizer.fromJSON(json)
const texts = Array.from({ length: 500 }, (_, i) => `Call me Ishmael ${i}. ${'Some years ago, never mind how long. '.repeat(i % 40)}`)

describe('encodeBatch in threads', () => {
  let encoder: BatchEncoder
  const open = async (): Promise<BatchEncoder> => (encoder ??= await createBatchEncoder({ json }, { workers: 2, start }))
  afterAll(() => encoder.close())

  it('gives the ids of encode in the order of the texts', async () => {
    const batch = await open()
    const [ids, none, few] = await Promise.all([batch.encodeBatch(texts), batch.encodeBatch([]), batch.encodeBatch(['', 'whale'])])
    expect(ids).toEqual(tokenizer.encodeBatch(texts))
    expect(none).toEqual([])
    expect(few).toEqual(tokenizer.encodeBatch(['', 'whale']))
    expect(await batch.encodeBatch(['a<|endoftext|>'], { special: 'allow' })).toEqual([
      tokenizer.encode('a<|endoftext|>', { special: 'allow' }),
    ])
  })

  it('names the first text that is refused, and goes on with the next batch', async () => {
    const batch = await open()
    const some = texts.map((text, i) => (i === 321 || i === 400 ? `${text}<|endoftext|>` : text))
    await expect(batch.encodeBatch(some)).rejects.toMatchObject({
      code: 'SPECIAL_TOKEN',
      token: '<|endoftext|>',
      position: texts[321]!.length,
      message: expect.stringMatching(/^Text 321 of the batch: /) as string,
    })
    expect(await batch.encodeBatch(['whale'])).toEqual([tokenizer.encode('whale')])
  })

  it('can be given up', async () => {
    const batch = await open()
    const controller = new AbortController()
    const encoding = batch.encodeBatch(texts, { signal: controller.signal })
    controller.abort()
    await expect(encoding).rejects.toMatchObject({ name: 'AbortError' })
    await expect(batch.encodeBatch(texts, { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(await batch.encodeBatch(['whale'])).toEqual([tokenizer.encode('whale')])
  })

  it('refuses what is no source, files that cannot be read, and work after the end', async () => {
    await expect(createBatchEncoder({ file: 'x' } as never, { workers: 1, start: inThisThread })).rejects.toMatchObject({ code: 'VALUE' })
    await expect(createBatchEncoder({ json }, { workers: 0, start: inThisThread })).rejects.toMatchObject({ code: 'VALUE' })
    await expect(createBatchEncoder({ json: '{' }, { workers: 2, start: inThisThread })).rejects.toMatchObject({ code: 'FILE' })
    const { model } = sentencePieceAnswers()['bpe']!
    const pieces = await createBatchEncoder({ sentencePiece: unzipped(model) }, { workers: 3, start: inThisThread })
    expect(await pieces.encodeBatch(texts)).toEqual(Tokenizer.fromSentencePiece(unzipped(model)).encodeBatch(texts))
    const [last] = await Promise.allSettled([pieces.encodeBatch(texts), pieces.close()])
    expect(last).toMatchObject({ status: 'rejected', reason: { code: 'UNSUPPORTED' } })
    await expect(pieces.encodeBatch(['whale'])).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('says when a thread is lost', async () => {
    const broken = (): Worker => new Worker('throw new Error("no memory")', { eval: true })
    await expect(createBatchEncoder({ json }, { workers: 1, start: broken })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('no memory') as string,
    })
  })
})

/** What a thread does, behind a channel of messages such as threads have. */
function inThisThread(): WorkerLike {
  const { port1, port2 } = new MessageChannel()
  serve({ receive: (handle) => port2.on('message', handle), send: (message, transfer) => port2.postMessage(message, transfer) })
  const terminate = (): Promise<void> => {
    port1.close()
    return Promise.resolve()
  }
  return {
    postMessage: (message) => port1.postMessage(message),
    on: (event: string, listener: (value: never) => void) => port1.on(event as 'message', listener as (value: unknown) => void),
    ref: () => port1.ref(),
    unref: () => port1.unref(),
    terminate,
  }
}
