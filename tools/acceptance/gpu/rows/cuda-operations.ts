// Bar 1, the part of CUDA: every sample of every row, forward and backward, as written and decomposed, and PyTorch's values, by the PTX that ships, run on the processor; and
// each of those kernels past NVIDIA's assembler, for three architectures.
import { readdirSync, readFileSync } from 'node:fs'
import { openCuda } from '../../../../packages/tensor/src/device/cuda/device.js'
import type { CudaDriver } from '../../../../packages/tensor/src/device/cuda/driver.js'
import { emulatedDriver } from '../../../../packages/tensor/src/device/cuda/testing/driver.js'
import { assemble, findPtxas, noPtxas, ptxasVersion } from '../../../../packages/tensor/src/kernel/testing/ptxas.js'
import { kernelEdges } from '../../../../packages/tensor/src/testing/kernel-edges.js'
import { checkGoldens, checkTable } from '../../../../packages/tensor/src/testing/op-table.js'
import { recordDevice } from '../devices.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const goldens = new URL('../../../../packages/tensor/src/__fixtures__/goldens/', import.meta.url)
const figure = 'the op table on CUDA (PTX on an emulator of the driver)'
const architectures = ['sm_75', 'sm_80', 'sm_90']
/** Kernels that the assembler is given at a time. */
const BATCH = 100

const source: RowSource = async ({ log }) => {
  const texts = new Set<string>()
  const open = () => openCuda(seeing(emulatedDriver({ capability: [7, 5] }), texts))
  const [device, other] = [open(), open()]
  try {
    const samples = await checkTable(device, { onSample: (title, found) => found.forEach((problem) => log(`${title}: ${problem}`)) })
    const wrong = new Set(samples.problems.map((problem) => problem.split(': ')[0])).size
    log(`${samples.count} samples`)
    recordDevice('cuda, emulated', { description: device.description, rows: samples.rows })
    // What samples are made of is collected one day; PyTorch's values are let go of, so this device must be empty at the end.
    let count = 0
    const problems: string[] = []
    for (const file of readdirSync(goldens).filter((name) => name.endsWith('.json'))) {
      const found = await checkGoldens(readFileSync(new URL(file, goldens), 'utf8'), other)
      count += found.count
      problems.push(...found.problems)
    }
    problems.forEach((problem) => log(problem))
    const { liveBytes } = other.memory()
    return [
      row(
        `${figure}: samples, as written and decomposed, with gradients`,
        `${samples.count} of ${samples.count}`,
        `${samples.count - wrong} of ${samples.count}`,
        wrong === 0,
        samples.problems[0] ?? device.description,
      ),
      row(
        `${figure}: PyTorch's values`,
        `${count} of ${count}`,
        `${count - problems.length} of ${count}`,
        problems.length === 0,
        problems[0],
      ),
      await edgesRow(log),
      row(`${figure}: bytes left on the device`, '0', String(liveBytes), liveBytes === 0),
      ...assembled([...texts], log),
    ]
  } finally {
    await device.dispose()
    await other.dispose()
  }
}
export default source

/** Every shape at which what kernels are cut into ends, threads in random order. */
async function edgesRow(log: (line: string) => void): Promise<Row> {
  const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
  const problems: string[] = []
  try {
    for (const { name, check } of kernelEdges) {
      const problem = await check(device)
      if (problem !== undefined) problems.push(`${name}: ${problem}`)
    }
  } finally {
    await device.dispose()
  }
  problems.forEach((problem) => log(problem))
  const { length } = kernelEdges
  return row(
    'shapes at the edges of what kernels are cut into, on emulated CUDA',
    `${length} of ${length}`,
    `${length - problems.length} of ${length}`,
    problems.length === 0,
    problems[0],
  )
}

/** A driver whose modules' texts are kept. */
const seeing = (driver: CudaDriver, texts: Set<string>): CudaDriver =>
  new Proxy(driver, {
    get(target, name) {
      const own: unknown = Reflect.get(target, name)
      if (typeof own !== 'function') return own
      return (...args: unknown[]): unknown => {
        if (name === 'moduleLoad') texts.add(String(args[0]))
        return own.apply(target, args)
      }
    },
  })

function assembled(texts: readonly string[], log: (line: string) => void): Row[] {
  const title = (architecture: string): string => `kernels of the op table that ptxas takes for ${architecture}`
  const ptxas = findPtxas()
  if (ptxas === undefined) return architectures.map((architecture) => unavailable(title(architecture), 'all', noPtxas))
  // Many to a file, each with a name of its own: starting the program is most of its time.
  const batches: string[] = []
  for (let i = 0; i < texts.length; i += BATCH)
    batches.push(
      texts
        .slice(i, i + BATCH)
        .map((text, k) =>
          text
            .replace(/\.visible \.entry \w+/, `.visible .entry kernel${k}`)
            .replace(k === 0 ? '' : /^(\.version|\.target|\.address_size).*\n/gm, ''),
        )
        .join('\n'),
    )
  return architectures.map((architecture) => {
    const results = batches.map((batch) => assemble(ptxas, batch, architecture))
    const errors = results.flatMap((result) => result.errors)
    const entries = results.flatMap((result) => result.entries)
    errors.forEach((error) => log(`${architecture}: ${error}`))
    const registers = Math.max(...entries.map((entry) => entry.registers))
    const spills = entries.filter((entry) => entry.spillStores + entry.spillLoads > 0).length
    return row(
      title(architecture),
      `${texts.length} of ${texts.length}`,
      `${entries.length} of ${texts.length}`,
      errors.length === 0 && entries.length === texts.length,
      errors[0] ?? `CUDA ${ptxasVersion(ptxas)}; at most ${registers} registers, ${spills} kernels spill`,
    )
  })
}
