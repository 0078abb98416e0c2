// Bar 3, second part: memory of several programs over one set of weights, and of a thousand training steps.
//
// The estimate of the first: the frozen weights as given, once more as packed for products, each program's own inputs and outputs, and
// the arena that all programs share, as large as planMemory finds for the one that needs most.
import { join } from 'node:path'
import { resolveDevice, tensor } from '@tesserae/tensor'
import { gpt2, initWeights, train, type Batches } from '@tesserae/transformer'
import { runForJson } from '../../lib/peers.js'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'

const steps = 1000
const MiB = 2 ** 20

const source: RowSource = async ({ log }) => [await fivePrograms(), await thousandSteps(log)]
export default source

interface Footprint {
  readonly programs: number
  readonly grown: number
  readonly raw: number
  readonly packed: number
  readonly buffers: number
  readonly arena: number
}

async function fivePrograms(): Promise<Row> {
  const runs: Footprint[] = []
  for (let i = 0; i < 3; i++) runs.push(await footprint())
  const { raw, packed, buffers, arena } = runs[0]!
  const estimate = raw + packed + buffers + arena
  const of = (bytes: number): string => (bytes / MiB).toFixed(1)
  return atMost(
    'five programs over one set of frozen weights: resident memory as a part of the estimate',
    median(runs.map(({ grown }) => grown / estimate)),
    1,
    {
      note: `grew by ${runs.map(({ grown }) => of(grown)).join(', ')} MiB in three processes, the median counts; estimate ${of(estimate)} = weights ${of(raw)} + packed for products ${of(packed)} + inputs and outputs ${of(buffers)} + arena ${of(arena)} (planMemory, the largest program)`,
    },
  )
}

async function footprint(): Promise<Footprint> {
  const script = join(import.meta.dirname, '../memory/five-programs.ts')
  const found = (await runForJson(process.execPath, [
    '--expose-gc',
    ...process.execArgv.filter((argument) => argument !== '--expose-gc'),
    script,
  ])) as Footprint
  if (found.programs !== 5) throw new Error(`expected five programs, ${found.programs} were run`)
  return found
}

async function thousandSteps(log: (line: string) => void): Promise<Row> {
  const device = await resolveDevice('cpu')
  const config = gpt2({ vocabSize: 17, width: 16, layers: 2, heads: 2, context: 8 })
  const data: Batches = {
    at: (index) => {
      const ids = Int32Array.from({ length: 32 }, (_, i) => (i * 5 + index) % 17)
      return { ids, targets: ids.map((id) => (id + 5) % 17), rows: 4, length: 8 }
    },
  }
  const live = new Set<string>()
  const atRest = device.memory()
  {
    using run = train({ config, weights: initWeights(config, { seed: 1 }), data, steps: steps + 10, device })
    for await (const { step } of run) {
      if (step <= 10) continue // programs and pools are made
      const { liveBytes, liveBuffers } = device.memory()
      live.add(`${liveBytes} bytes in ${liveBuffers} buffers`)
      if (step % 250 === 0) log(`step ${step}: ${liveBytes} bytes in ${liveBuffers} buffers`)
    }
  }
  // The device frees in order of its queue: a read behind it sees the end.
  using probe = tensor([0])
  await probe.data()
  const left = device.memory().liveBytes - atRest.liveBytes
  return row(
    `live bytes over ${steps} training steps`,
    'one value',
    live.size === 1 ? [...live][0]! : `${live.size} values: ${[...live].slice(0, 3).join('; ')}`,
    live.size === 1,
    `after each step of a decoder with AdamW and clipping; ${left} bytes are left once the run is disposed`,
  )
}
