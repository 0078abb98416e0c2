// Bar 4, serving: 200 clients for a minute, a shutdown with streams under way, and a client that hangs up.
import { rm } from 'node:fs/promises'
import { createLm, loadModel, type DecoderModel } from '@tesserae/transformer'
import { serve } from '@tesserae/transformer/node'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'
import { memoryOf, metric, startServer } from '../serving/child-server.js'
import { percentile, runClients } from '../serving/load.js'
import { tinyModel } from '../serving/tiny-model.js'

const clients = 200
const seconds = Number(process.env['TESSERAE_SERVING_SECONDS'] ?? 60)
const limits = { concurrency: 8, queue: 64 }

const source: RowSource = async ({ log }) => {
  const folder = await tinyModel()
  try {
    return [...(await underLoad(folder, log)), await shutdown(folder), await hangUp(folder)]
  } finally {
    await rm(folder, { recursive: true })
  }
}
export default source

async function underLoad(folder: string, log: (line: string) => void): Promise<Row[]> {
  const server = await startServer(folder, limits)
  // Programs are compiled and pools filled before anything is measured.
  await runClients(server.url, clients, 15)
  const memory: number[] = []
  let healthSlowest = 0
  const watch = setInterval(async () => {
    const start = performance.now()
    memory.push(await memoryOf(server.url).catch(() => Number.NaN))
    healthSlowest = Math.max(healthSlowest, (performance.now() - start) / 1000)
  }, 1000)
  const report = await runClients(server.url, clients, seconds)
  clearInterval(watch)
  server.child.kill('SIGTERM')
  const { code, errors } = await server.ended
  const third = Math.ceil(memory.length / 3)
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [begin, end] = [mean(memory.slice(0, third)), mean(memory.slice(-third))]
  log(
    `${report.answers} answers, ${report.refused} refused, ${report.errors.length} errors; memory ${memory.map((one) => one.toFixed(0)).join(' ')}`,
  )
  const p = (part: number): string => percentile(report.firstToken, part).toFixed(3)
  return [
    row(
      `${clients} clients for ${seconds} s against a tiny model in a worker: errors but 429 with Retry-After`,
      '0',
      String(report.errors.length),
      report.errors.length === 0 && report.answers > 0 && code === 0,
      `${report.answers} answers of 16 tokens (${(report.tokens / seconds).toFixed(0)} tokens/s), ${report.refused} times 429 (8 at a time, 64 in line), exit code ${code}; ${[...new Set(report.errors)].slice(0, 3).join('; ')}${errors.slice(0, 300)}`,
    ),
    row(
      'time to first token under that load, p99',
      'reported',
      `${p(0.99)} s`,
      report.firstToken.length > 0,
      `p50 ${p(0.5)} s, p90 ${p(0.9)} s; clients and server share the machine; /metrics answered within ${healthSlowest.toFixed(3)} s meanwhile`,
    ),
    atMost('memory of the server in the last third against the first third of that minute', end / begin, 1.1, {
      note: `${begin.toFixed(0)} to ${end.toFixed(0)} MiB on average, most ${Math.max(...memory).toFixed(0)}`,
    }),
  ]
}

const ask = (url: string, maxTokens: number, signal?: AbortSignal): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'tiny',
      messages: [{ role: 'user', content: 'x' }],
      max_tokens: maxTokens,
      stream: true,
      stream_options: { include_usage: true },
    }),
    ...(signal === undefined ? {} : { signal }),
  })

async function shutdown(folder: string): Promise<Row> {
  const server = await startServer(folder, limits)
  const streams = await Promise.all(Array.from({ length: 8 }, () => ask(server.url, 400)))
  server.child.kill('SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const late = await ask(server.url, 1).then(
    ({ status }) => String(status),
    () => 'refused',
  )
  const texts = await Promise.all(streams.map((stream) => stream.text()))
  const whole = texts.filter((text) => text.includes('data: [DONE]')).length
  const { code } = await server.ended
  return row(
    'SIGTERM with 8 streams of 400 tokens under way: streams that end whole',
    '8 of 8, exit code 0',
    `${whole} of 8, exit code ${code}`,
    whole === 8 && code === 0,
    `a request that comes later is ${late}`,
  )
}

/** Clients that hang up in the middle: tokens that are still sampled once the server has heard of it. */
async function hangUp(folder: string): Promise<Row> {
  const { model, tokenizer } = await loadModel(folder, { context: 512 })
  let [sampled, behind, heard] = [0, 0, 0]
  const counting: DecoderModel = {
    ...model,
    async *stream(prompt, options = {}) {
      let isOver = false
      options.signal?.addEventListener('abort', () => {
        isOver = true
        heard++
      })
      for await (const event of model.stream(prompt, options)) {
        sampled++
        if (isOver) behind++
        yield event
      }
    },
  }
  const lm = createLm({ model: counting, tokenizer, info: { id: 'tiny' } })
  const server = await serve(lm, { port: 0, limits })
  let most = 0
  const calls = 20
  for (let i = 0; i < calls; i++) {
    const controller = new AbortController()
    const reader = (await ask(server.url, 400, controller.signal)).body!.getReader()
    for (let chunk = 0; chunk <= i % 5; chunk++) await reader.read()
    behind = 0
    controller.abort()
    await reader.read().catch(() => {})
    while ((await metric(server.url, 'tesserae_answers_running')) > 0);
    most = Math.max(most, behind)
  }
  await server.close()
  await lm.dispose()
  return row(
    `${calls} clients hang up within an answer of 400 tokens: tokens sampled once the server has heard of it, at most`,
    '≤ 1',
    String(most),
    most <= 1 && heard === calls,
    `${sampled} tokens were sampled in all, of ${calls * 400}; ${heard} hang-ups were heard of`,
  )
}
