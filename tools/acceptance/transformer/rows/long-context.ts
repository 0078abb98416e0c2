// Contexts of 131,072 tokens, reached by all ways of stretching; texts without an end; and how likely a long text is. On the CPU, with tiny models: what is measured is positions and memory.
import { createModel, modelMemory } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { apart, longAnswers, longFolder, longKinds, longText } from '../../../../packages/transformer/src/generate/testing/long-context.js'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'

const MiB = 2 ** 20
/** Streamed in a window of 512. */
const STREAMED = 200_000

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  for (const kind of longKinds) rows.push(...(await stretched(kind, log)))
  rows.push(await likelihood(), await streamed(log))
  return rows
}
export default source

type Kind = (typeof longKinds)[number]
const sum = (tensors: readonly { readonly bytes: number }[]): number => tensors.reduce((total, { bytes }) => total + bytes, 0)
/** Bytes of the process that are not garbage. */
function resident(): number {
  ;(globalThis as { gc?: () => void }).gc?.()
  return process.memoryUsage.rss()
}

async function stretched(kind: Kind, log: (line: string) => void): Promise<Row[]> {
  const { logits } = longAnswers(kind)
  const loaded = await loadCheckpoint(longFolder(kind))
  const { config } = loaded
  const ids = longText(config.context)
  const planned = modelMemory(config)
  const before = resident()
  using model = await createModel({ ...loaded, device: 'cpu' })
  using text = model.open([])
  const differences: string[] = []
  let [worst, most] = [0, 0]
  const start = performance.now()
  for (const [length, expected] of Object.entries(logits)) {
    text.ids.push(...ids.slice(text.ids.length, Number(length)))
    const difference = apart(await text.next(), expected)
    worst = Math.max(worst, difference)
    most = Math.max(most, resident() - before)
    differences.push(`${length}: ${difference.toExponential(1)}`)
    log(`${kind} at ${length}: ${difference.toExponential(1)}, ${(most / MiB).toFixed(0)} MiB`)
  }
  const seconds = (performance.now() - start) / 1000
  const plan = sum(planned.weights) + sum(planned.cache)
  return [
    atMost(`context stretched to ${config.context.toLocaleString('en')} by ${kind}: logits beside transformers'`, worst, 1e-4, {
      digits: 6,
      note: `by tokens of the prompt, in pieces of 256: ${differences.join(', ')}; ${seconds.toFixed(0)} s`,
    }),
    row(
      `${kind}: memory with all ${config.context.toLocaleString('en')} tokens in the cache`,
      `≤ plan + 128 MiB`,
      `${(most / MiB).toFixed(0)} MiB`,
      most <= plan + 128 * MiB,
      `plan: ${(plan / MiB).toFixed(0)} MiB of weights, tables and cache; beside it the runtime, compiled programs and what a piece needs while it runs`,
    ),
  ]
}

/** Of a text that is ten times as long as the window it is seen through. */
async function likelihood(): Promise<Row> {
  const { perplexity } = longAnswers('yarn')
  using model = await createModel({ ...(await loadCheckpoint(longFolder('yarn'))), capacity: perplexity.window, device: 'cpu' })
  const start = performance.now()
  const { perplexity: own } = await model.score(longText(perplexity.tokens), { stride: perplexity.stride })
  return atMost(
    `perplexity of ${perplexity.tokens.toLocaleString('en')} tokens in windows of ${perplexity.window}: off from transformers' by`,
    Math.abs(own / perplexity.value - 1),
    1e-4,
    { digits: 7, note: `${own.toFixed(4)} and ${perplexity.value.toFixed(4)}; ${((performance.now() - start) / 1000).toFixed(1)} s` },
  )
}

/** Sinks and a window that moves on, as long as one likes. */
async function streamed(log: (line: string) => void): Promise<Row> {
  using model = await createModel({ ...(await loadCheckpoint(longFolder('linear'))), capacity: 512, device: 'cpu' })
  const start = performance.now()
  const memory: number[] = []
  let count = 0
  for await (const _ of model.stream(longText(100), { maxTokens: STREAMED, overflow: 'slide' })) {
    count++
    if (count % (STREAMED / 10) !== 0) continue
    memory.push(resident() / MiB)
    log(`${count} tokens after ${((performance.now() - start) / 1000).toFixed(0)} s, ${memory.at(-1)!.toFixed(0)} MiB`)
  }
  // The first tenth is when programs are compiled.
  const growth = Math.max(...memory.slice(-3)) - Math.max(...memory.slice(1, 4))
  return row(
    `${STREAMED.toLocaleString('en')} tokens through a window of 512 with 4 sinks (overflow: 'slide'): growth of memory`,
    '≤ 8 MiB',
    `${growth.toFixed(1)} MiB`,
    count === STREAMED && growth <= 8,
    `from the second to fourth tenth to the last three: ${memory.map((one) => one.toFixed(0)).join(' ')} MiB; ${(STREAMED / ((performance.now() - start) / 1000)).toFixed(0)} tokens a second`,
  )
}
