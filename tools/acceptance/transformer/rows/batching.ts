// Bar 4, first part: tokens a second of eight streams side by side against one, for f32, q8 and q4 weights on the CPU.
import { jit, realize, resolveDevice, sym, tensor, type Device, type Tensor } from '@tesserae/tensor'
import {
  createModel,
  disposeRotary,
  forward,
  initWeights,
  llama,
  quantize,
  rotaryTables,
  type AnyDecoderWeights,
  type DecoderModel,
} from '@tesserae/transformer'
import { atLeast, row, type Row, type RowSource } from '../../lib/row.js'
import { median, timesInTurns } from '../../lib/timing.js'

const STREAMS = 8
const TOKENS = 16
const ROUNDS = 16
/** SmolLM2-135M's shape with fewer layers and a shorter vocabulary, so that the row takes a minute: 57 million weights, far beyond the processor's caches. */
const config = llama({ vocabSize: 16_384, width: 576, layers: 12, heads: 9, kvHeads: 3, hidden: 1536, context: 512, tied: true })

const source: RowSource = async ({ log }) => {
  const device = await resolveDevice('cpu')
  const rows: Row[] = []
  for (const type of ['f32', 'q8_0', 'q4_0'] as const) {
    const start = { config, weights: initWeights(config, { seed: 1 }) }
    const { weights } = type === 'f32' ? start : await quantize(start, { type })
    rows.push(...(await measure(type, weights, device, log)))
  }
  return rows
}
export default source

async function measure(type: string, weights: AnyDecoderWeights, device: Device, log: (line: string) => void): Promise<Row[]> {
  using model = await createModel({ config, weights, device, maxStreams: STREAMS, prefixCache: false })
  const prompts = Array.from({ length: STREAMS }, (_, i) => [17 * i + 1])
  const together = await Promise.all(prompts.map(async (prompt) => (await generate(model, prompt)).join()))
  let same = 0
  for (const [i, prompt] of prompts.entries()) if ((await generate(model, prompt)).join() === together[i]) same++
  const rotary = rotaryTables(config)
  for (const table of [rotary.cos, rotary.sin]) table.freeze()
  await realize([rotary.cos, rotary.sin], { device })
  const products = jit((ids: Tensor) => forward(weights, ids, { config, rotary }), { device })
  // One program for both counts, as it is for a model's own steps: two would run on threads of other kinds, that for one token on slower ones.
  const rows = sym('rows', { max: STREAMS })
  const read = async (count: number): Promise<void> => {
    using ids = tensor(new Int32Array(count).fill(5), { shape: [1, count] })
    using logits = await products(ids.symbolic(1, rows))
    await logits.data()
  }
  const rounds = await timesInTurns(
    {
      one: () => generate(model, prompts[0]!),
      eight: () => Promise.all(prompts.map((prompt) => generate(model, prompt))),
      kernelOne: () => repeated(() => read(1)),
      kernelEight: () => repeated(() => read(STREAMS)),
    },
    { warmup: 2, runs: ROUNDS },
  )
  products.dispose()
  disposeRotary(rotary)
  const gain = median(rounds.map(({ one, eight }) => (STREAMS * one) / eight))
  const ceiling = median(rounds.map(({ kernelOne, kernelEight }) => (STREAMS * kernelOne) / kernelEight))
  const times = { one: median(rounds.map(({ one }) => one)), eight: median(rounds.map(({ eight }) => eight)) }
  const speed = (ms: number, count: number): string => `${((1000 * TOKENS * count) / ms).toFixed(0)} tokens/s`
  const note = `one stream ${speed(times.one, 1)}, eight ${speed(times.eight, STREAMS)}; the products alone gain ${ceiling.toFixed(2)} times; medians of ${ROUNDS} rounds, taking turns`
  log(`${type}: ${note}`)
  const bar =
    type === 'f32'
      ? atLeast('f32: eight streams against one, total tokens/s', gain, 2.5, { unit: 'times', note })
      : atLeast(`${type}: gain of eight streams against the gain of the matrix kernel`, gain / ceiling, 0.8, {
          note: `${gain.toFixed(2)} times; ${note}`,
        })
  return [bar, row(`${type}: ids of eight streams that are those of each alone`, '8 of 8', `${same} of 8`, same === STREAMS)]
}

const generate = async (model: DecoderModel, prompt: readonly number[]): Promise<readonly number[]> =>
  (await model.generate(prompt, { maxTokens: TOKENS })).ids

const repeated = async (work: () => Promise<void>): Promise<void> => {
  for (let i = 0; i < TOKENS; i++) await work()
}
