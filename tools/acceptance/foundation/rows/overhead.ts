// Bar 3, first part: what a jitted decode step costs beside the bare run of its program.
import {
  resolveDevice,
  jit,
  sym,
  tensor,
  type Device,
  type DeviceBuffer,
  type Executable,
  type SymValues,
  type Tensor,
} from '@tesserae/tensor'
import { FixedCache, forwardCached, gpt2, initWeights, namedWeights } from '@tesserae/transformer'
import { atMost, type RowSource } from '../../lib/row.js'
import { compareTimes } from '../../lib/timing.js'

/** What the CPU device's executables have beside the interface. */
interface BareExecutable extends Executable {
  resolve(device: Device, handles: readonly DeviceBuffer[], what: 'input' | 'output', blocks: unknown[]): unknown[]
  resolveSymbols(values: SymValues, into: number[]): number[]
  bind(inputs: unknown[], outputs: unknown[], symbols: number[]): void
  runSync(): void
}

const repeats = 20
const limit = 1.3

const source: RowSource = async ({ log }) => {
  const device = await resolveDevice('cpu')
  const config = gpt2({ vocabSize: 65, width: 128, layers: 4, heads: 4, context: 256 })
  const weights = initWeights(config, { seed: 1 })
  for (const weight of namedWeights(weights).values()) {
    await weight.realize({ device })
    weight.freeze()
  }
  const position = sym('position', { max: config.context })
  using step = jit((layers: FixedCache['layers'], id: Tensor) => forwardCached(weights, id, layers, { config, position }), {
    donate: [0],
    device,
  })
  using cache = new FixedCache(config)
  const at = 100
  const jitted = async (): Promise<void> => {
    for (let i = 0; i < repeats; i++) {
      using id = tensor([[7]], { dtype: 'i32' })
      const result = await step.run([cache.layers, id], { symbols: new Map([[position, at]]) })
      cache.replace(result.cache, 0)
      await result.logits.data()
      result.logits.dispose()
    }
  }
  for (let i = 0; i < 5; i++) await jitted()
  const { executable, inputs, outputs, symbols } = await lastRun(device, jitted)
  const bare = executable as BareExecutable
  const run = (): void => {
    for (let i = 0; i < repeats; i++) bare.runSync()
  }
  const bound = (): void => {
    bare.bind(bare.resolve(device, inputs, 'input', []), bare.resolve(device, outputs, 'output', []), bare.resolveSymbols(symbols, []))
    run()
  }
  const times = await compareTimes({ jitted, bound }, { warmup: 100, runs: 100 })
  const [own, own0] = [times.jitted / repeats, times.bound / repeats]
  log(`jitted ${(1000 * own).toFixed(1)} µs, bare ${(1000 * own0).toFixed(1)} µs`)
  return atMost('4-layer decode step at width 128 with its logits read back, times the bare run on bound buffers', own / own0, limit, {
    note: `${(1000 * own).toFixed(1)} against ${(1000 * own0).toFixed(1)} µs, token made, cache donated, position ${at}; ${device.description}; medians of 100 turns of ${repeats}`,
  })
}
export default source

interface CapturedRun {
  readonly executable: Executable
  readonly inputs: readonly DeviceBuffer[]
  readonly outputs: readonly DeviceBuffer[]
  readonly symbols: SymValues
}

/** The arguments of the last run that `work` makes. Its output for the logits is kept from reuse by running on it again. */
async function lastRun(device: Device, work: () => Promise<void>): Promise<CapturedRun> {
  let captured: CapturedRun | undefined
  const { run } = device
  device.run = (executable, inputs, outputs, symbols, options) => {
    captured = { executable, inputs: [...inputs], outputs: [...outputs], symbols }
    return run.call(device, executable, inputs, outputs, symbols, options)
  }
  try {
    await work()
  } finally {
    device.run = run
  }
  const found = captured!
  // The call's own token and logits are freed by now: these stand in for them.
  const replace = (buffer: DeviceBuffer): DeviceBuffer =>
    (buffer as { block?: unknown }).block === undefined ? device.alloc(buffer.bytes) : buffer
  return { ...found, inputs: found.inputs.map(replace), outputs: found.outputs.map(replace) }
}
