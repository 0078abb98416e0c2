// Keys and values in pages: what eight streams of 100 tokens take at a capacity of 4,096 beside caches of fixed capacity (on the reference interpreter, which like WebGPU does not say how much memory is free), and on CUDA's
// emulator the ids that eight streams give, also where blocks run out.
import { referenceDevice, type Device } from '@tesserae/tensor'
import { createModel, initWeights, llama, mapWeights, modelMemory, type DecoderModel } from '@tesserae/transformer'
import { openCuda } from '../../../../packages/tensor/src/device/cuda/device.js'
import { emulatedDriver } from '../../../../packages/tensor/src/device/cuda/testing/driver.js'
import { atLeast, row, type Row, type RowSource } from '../../lib/row.js'

const STREAMS = 8
const TOKENS = 100
const CAPACITY = 4096
const config = llama({ vocabSize: 29, width: 32, layers: 2, heads: 4, kvHeads: 2, hidden: 48, context: CAPACITY })
const KiB = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`

const source: RowSource = async ({ log }) => {
  const device = openCuda(emulatedDriver({ checks: { races: false, shared: false, global: false } }))
  try {
    const pages = await held(referenceDevice(), { paged: true })
    const fixed = await held(referenceDevice(), { paged: false })
    const planned = modelMemory(config, { batch: STREAMS }).cache.reduce((sum, { bytes }) => sum + bytes, 0)
    log(`pages ${KiB(pages)}, fixed ${KiB(fixed)}, planned for fixed ${KiB(planned)}`)
    const note = `${KiB(pages)} in pages of 16, ${KiB(fixed)} in caches of ${CAPACITY} tokens each`
    return [
      atLeast(
        `${STREAMS} streams of ${TOKENS} tokens at a capacity of ${CAPACITY}: memory of fixed caches against pages`,
        fixed / pages,
        16,
        {
          unit: 'times',
          note,
        },
      ),
      ...(await sameIds(device)),
    ]
  } finally {
    await device.dispose()
  }
}
export default source

const text = (length: number, seed: number): number[] => Array.from({ length }, (_, i) => (i * i * (seed + 3) + 5 * i + seed) % 29)

const open = (device: Device, options: object): Promise<DecoderModel> => {
  const weights = mapWeights(initWeights(config, { seed: 2 }), (weight) => (weight.rank === 2 ? weight.mul(12) : weight))
  return createModel({ config, weights, device, maxStreams: STREAMS, ...options })
}

/** Bytes that the device holds more while the streams are under way. */
async function held(device: Device, options: object): Promise<number> {
  using model = await open(device, options)
  const before = device.memory().liveBytes
  const rows = Array.from({ length: STREAMS }, (_, i) => model.open(text(TOKENS, i)))
  await Promise.all(rows.map((each) => each.next()))
  const bytes = device.memory().liveBytes - before
  for (const each of rows) each.close()
  return bytes
}

async function sameIds(device: Device): Promise<Row[]> {
  const prompts = Array.from({ length: STREAMS }, (_, i) => text(12 + i, i % 3))
  const ids = async (model: DecoderModel, prompt: readonly number[]): Promise<string> =>
    (await model.generate(prompt, { maxTokens: 12 })).ids.join()
  using alone = await open(referenceDevice(), { capacity: 64 })
  const expected: string[] = []
  for (const prompt of prompts) expected.push(await ids(alone, prompt))
  const rows: Row[] = []
  for (const [name, cacheBlocks] of [
    ['with blocks for all', undefined],
    ['with blocks for two', 8],
  ] as const) {
    using model = await open(device, { capacity: 64, blockSize: 8, ...(cacheBlocks === undefined ? {} : { cacheBlocks }) })
    const found = await Promise.all(prompts.map((prompt) => ids(model, prompt)))
    const same = found.filter((one, i) => one === expected[i]).length
    const { inUse = NaN } = model.pages ?? {}
    rows.push(
      row(
        `${STREAMS} streams side by side ${name}: ids of each alone on the reference, and blocks in use afterwards`,
        `${STREAMS} of ${STREAMS}, 0`,
        `${same} of ${STREAMS}, ${inUse}`,
        same === STREAMS && inUse === 0,
      ),
    )
  }
  return rows
}
