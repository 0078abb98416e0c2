// Bar 5: what Llama 3.1 of 8, 70 and 405 billion parameters, and GPT-3, take: weights by type, keys and values by context, a decoding step's own memory as the null device plans it; what
// cannot fit is refused with the numbers. Nothing of any of them is ever allocated.
import { declare, estimateMemory, jit, nullDevice, sym, type MemoryPlan, type Tensor } from '@tesserae/tensor'
import {
  countParameters,
  forwardCached,
  gpt2,
  llama,
  mapWeights,
  modelMemory,
  packedLayout,
  weightSpecs,
  type DecoderConfig,
} from '@tesserae/transformer'
import { row, type Row, type RowSource } from '../../lib/row.js'

const GiB = 2 ** 30
const llama31 = (width: number, layers: number, heads: number, hidden: number): DecoderConfig =>
  llama({ vocabSize: 128_256, width, layers, heads, kvHeads: 8, hidden, context: 131_072, ropeBase: 500_000 })

/** Sizes: arXiv:2407.21783, table 3, and arXiv:2005.14165, table 2.1; parameters counted from them by hand. */
const models: readonly (readonly [name: string, config: DecoderConfig, parameters: number])[] = [
  ['Llama 3.1 8B', llama31(4096, 32, 32, 14_336), 8_030_261_248],
  ['Llama 3.1 70B', llama31(8192, 80, 64, 28_672), 70_553_706_496],
  ['Llama 3.1 405B', llama31(16_384, 126, 128, 53_248), 405_853_388_800],
  ['GPT-3', gpt2({ vocabSize: 50_257, width: 12_288, layers: 96, heads: 96, context: 2048 }), 174_604_259_328],
]

const sum = (tensors: readonly { readonly bytes: number }[]): number => tensors.reduce((total, { bytes }) => total + bytes, 0)

/** Bytes that a decoding step needs beside weights and cache. */
async function stepBytes(config: DecoderConfig, capacity: number): Promise<number> {
  let planned: MemoryPlan | undefined
  const device = nullDevice({ onProgram: (_, memory) => (planned = memory) })
  const weights = mapWeights(weightSpecs(config), ({ shape }) => declare(shape))
  const table = (): Tensor => declare([config.context, config.headWidth / 2])
  const rotary = config.positions === 'rotary' ? { rotary: { cos: table(), sin: table() } } : {}
  const position = sym('position', { max: config.context })
  const rows = (): Tensor => declare([1, config.kvHeads, capacity, config.headWidth])
  const cache = Array.from({ length: config.layers }, () => ({ k: rows(), v: rows() }))
  using step = jit((layers: typeof cache, id: Tensor) => forwardCached(weights, id, layers, { config, ...rotary, position }).logits, {
    device,
    name: 'plan',
  })
  await step.run([cache, declare([1, 1], 'i32')], { symbols: new Map([[position, capacity - 1]]) })
  if (planned === undefined) throw new Error('the null device planned nothing')
  return planned.temporaries + planned.outputs
}

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  for (const [name, config, parameters] of models) {
    const { total } = countParameters(config)
    rows.push(row(`${name}: parameters`, parameters.toLocaleString('en'), total.toLocaleString('en'), total === parameters))
    const tensors = modelMemory(config, { capacity: 0 }).weights
    const whole32 = sum(tensors)
    // Tables of angles stay as they are.
    const whole16 = (whole32 + sum(tensors.filter((tensor) => tensor.name.startsWith('rotary.')))) / 2
    const packed = (bits: 4 | 8): number => sum(modelMemory(config, { capacity: 0, layout: packedLayout(bits) }).weights)
    const kinds = { f32: whole32, 'f16 or bf16': whole16, q8: packed(8), q4: packed(4) }
    const weights = Object.entries(kinds).map(([type, bytes]) => `${type} ${(bytes / GiB).toFixed(1)}`)
    const contexts = [2048, 8192, 32_768, 131_072].filter((context) => context <= config.context)
    const caches = contexts.map((capacity) => `${capacity}: ${(sum(modelMemory(config, { capacity }).cache) / GiB).toFixed(2)}`)
    const step = await stepBytes(config, 2048)
    const needs = { ...modelMemory(config, { capacity: 2048 }) }
    const { refusal } = estimateMemory(needs, nullDevice({ memory: 16 * GiB }))
    log(`${name}: ${refusal ?? 'not refused'}`)
    const whole = `weights ${weights.join(', ')} GiB; keys and values in f32 at ${caches.join(', ')} GiB; a step ${(step / 2 ** 20).toFixed(1)} MiB`
    rows.push(row(`${name}: planned on the null device`, 'all figures', whole, step > 0))
    rows.push(
      row(
        `${name}: in f32 on 16 GiB`,
        'refused with the numbers',
        refusal ?? 'not refused',
        refusal?.includes('the device has 16 GiB free') === true,
      ),
    )
    const fits = estimateMemory(needs, nullDevice({ memory: 4096 * GiB })).refusal
    rows.push(row(`${name}: in f32 on 4 TiB`, 'not refused', fits ?? 'not refused', fits === undefined))
  }
  return rows
}
export default source
