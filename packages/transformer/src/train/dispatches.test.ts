/** How many kernels devices with kernels are sent: numbers that may become smaller, and grow only where somebody has looked at why. */
import { jit, nullDevice, sym, tensor, type Tensor } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../architectures/config.js'
import { forwardCached } from '../architectures/decoder.js'
import { gpt2 } from '../architectures/gpt2.js'
import { llama } from '../architectures/llama.js'
import { mapWeights, weightSpecs, type DecoderWeights } from '../architectures/weights.js'
import { FixedCache } from '../cache/fixed.js'
import { rotaryTables } from '../layers/rotary.js'
import { freshOptimizerState } from './optimizer.js'
import { makeStepPrograms } from './step.js'

/** What Chromium lets one kernel reach. */
const maxBindings = 10

/** Weights that are all different: equal ones would be one. */
function weightsOf(config: DecoderConfig): DecoderWeights {
  let next = 0
  return mapWeights(weightSpecs(config), ({ shape }) =>
    tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.01 * next++), { shape }),
  )
}

function counting() {
  const counts: number[] = []
  return { counts, device: nullDevice({ kernels: { maxBindings }, onDispatches: ({ dispatches }) => counts.push(dispatches.length) }) }
}

async function decoding(config: DecoderConfig): Promise<number[]> {
  const { counts, device } = counting()
  const position = sym('position', { max: config.context })
  const rotary = config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}
  const weights = weightsOf(config)
  using step = jit((layers: FixedCache['layers'], id: Tensor) => forwardCached(weights, id, layers, { config, ...rotary, position }), {
    donate: [0],
    device,
  })
  using cache = new FixedCache(config, { capacity: config.context })
  await step.run([cache.layers, tensor([[1]], { dtype: 'i32' })], { symbols: new Map([[position, 3]]) })
  return counts
}

async function training(config: DecoderConfig): Promise<number[]> {
  const { counts, device } = counting()
  const rotary = config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}
  const programs = makeStepPrograms({ config, ...rotary, optimizer: {}, clip: 1, device })
  const ids = tensor(
    Array.from({ length: 4 }, () => new Array<number>(32).fill(1)),
    { dtype: 'i32' },
  )
  await programs.step(
    freshOptimizerState(weightsOf(config)),
    { batch: { ids, targets: ids }, masked: false, scale: 1 / 128, key: undefined },
    1e-3,
    1,
  )
  await programs.dispose()
  return counts
}

const sizes = { vocabSize: 65, width: 64, heads: 4, context: 32 }
const grouped = { ...sizes, kvHeads: 2, hidden: 96 }

describe('kernels of', () => {
  it('a layer of Llama that decodes are nine, beside the embedding, the last norm and the head', async () => {
    expect(await decoding(llama({ ...grouped, layers: 2 }))).toEqual([3 + 2 * 9])
    expect(await decoding(llama({ ...grouped, layers: 5 }))).toEqual([3 + 5 * 9])
  })

  it('a layer of GPT-2 that decodes', async () => {
    const [two] = await decoding(gpt2({ ...sizes, layers: 2 }))
    const [three] = await decoding(gpt2({ ...sizes, layers: 3 }))
    expect([three! - two!, two]).toEqual([8, 19])
  })

  it('a training step', async () => {
    const steps = async (layers: number) => [
      ...(await training(gpt2({ ...sizes, layers }))),
      ...(await training(llama({ ...grouped, layers }))),
    ]
    const [two, three] = [await steps(2), await steps(3)]
    expect(three.map((count, i) => count - two[i]!)).toEqual([82, 71])
    expect(two).toEqual([195, 174])
  })
})
