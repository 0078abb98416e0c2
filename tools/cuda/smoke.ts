// `npm run smoke:cuda [-- --all] [--record] [--json FILE] [--driver FILE] [--emulator]`: the tensor package's device 'cuda' on this machine's graphics card. Goes through the
// table of operations (the first sample of each, or with --all everything: all samples, PyTorch's values, and shapes at the edges of what kernels are cut into), generates with a
// small model and trains one for a few steps, each against the reference interpreter, multiplies by cuBLASLt, where it is there, and by kernels, and prints a table. --record puts what --all found into docs/devices.md under the card's
// name, --json writes it into a file, for tools/docs/write-devices.ts elsewhere. --driver names the driver's file; --emulator runs on the emulator of the tests instead, to try
// this command itself.
// Exit code 0 when everything agrees, 1 when something does not, 2 for a command line that cannot work, 3 where there is no driver or no device.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { referenceDevice, type Device } from '@tesserae/tensor'
import { createModel, initWeights, llama, randomWindows, train } from '@tesserae/transformer'
import { openCuda } from '../../packages/tensor/src/device/cuda/device.js'
import { openCudaDevice } from '../../packages/tensor/src/device/cuda/node/open.js'
import { emulatedDriver } from '../../packages/tensor/src/device/cuda/testing/driver.js'
import { kernelEdges, largeEdges } from '../../packages/tensor/src/testing/kernel-edges.js'
import { checkGoldens, checkTable } from '../../packages/tensor/src/testing/op-table.js'
import { cudaColumn, recordDevice, writeTally } from '../acceptance/gpu/devices.js'
import { printTable } from '../acceptance/lib/table.js'
import { row, type Row } from '../acceptance/lib/row.js'
import { devicesPage } from '../docs/devices.js'
import { libraryProducts } from './products.js'

const goldens = new URL('../../packages/tensor/src/__fixtures__/goldens/', import.meta.url)
const usage = 'Usage: npm run smoke:cuda [-- --all] [--record] [--json FILE] [--driver FILE] [--emulator]'

process.exitCode = await main()

async function main(): Promise<number> {
  let options
  try {
    options = parseArgs({
      options: {
        all: { type: 'boolean', default: false },
        record: { type: 'boolean', default: false },
        json: { type: 'string' },
        driver: { type: 'string' },
        emulator: { type: 'boolean', default: false },
      },
    }).values
    const { all, record, json, emulator } = options
    if (!all && (record || json !== undefined)) throw new Error('--record and --json are of what --all finds; give --all too')
    if (emulator && record)
      throw new Error("--record is for cards; npm run acceptance -- gpu --only cuda-operations records the emulator's column")
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`)
    return 2
  }
  let device: Device
  try {
    device = options.emulator ? openCuda(emulatedDriver()) : await openCudaDevice(options.driver)
  } catch (error) {
    console.log(`Nothing was run: ${messageOf(error)}`)
    return 3
  }
  console.log([device.description, ...(device.notes?.() ?? []), ''].join('\n'))
  const rows: Row[] = []
  try {
    // What samples are made of is collected some time after them, so they come last.
    for (const work of [
      () => decoding(device),
      () => training(device),
      () => leftovers(device),
      () => libraryProducts(options.driver, !options.emulator),
      ...(options.all ? [() => edges(device, !options.emulator)] : []),
      () => operations(device, options),
    ]) {
      const start = performance.now()
      const one = await work()
      rows.push({ ...one, note: `${((performance.now() - start) / 1000).toFixed(1)} s${one.note === undefined ? '' : `; ${one.note}`}` })
    }
  } finally {
    await device.dispose()
  }
  console.log(printTable(rows))
  return rows.every(({ met }) => met) ? 0 : 1
}

interface OperationOptions {
  readonly all: boolean
  readonly record: boolean
  readonly json?: string | undefined
}

async function operations(device: Device, { all, record, json }: OperationOptions): Promise<Row> {
  const problems: string[] = []
  const samples = await checkTable(device, { first: !all })
  problems.push(...samples.problems)
  let { count } = samples
  if (all)
    for (const file of readdirSync(goldens).filter((name) => name.endsWith('.json'))) {
      const found = await checkGoldens(readFileSync(new URL(file, goldens), 'utf8'), device)
      count += found.count
      problems.push(...found.problems)
    }
  problems.forEach((problem) => console.log(problem))
  const tally = { description: device.description, rows: samples.rows }
  if (json !== undefined) writeTally(json, tally, problems)
  if (record) {
    recordDevice(cudaColumn(device.description), tally)
    writeFileSync(new URL('../../docs/devices.md', import.meta.url), devicesPage())
  }
  const wrong = new Set(problems.map((problem) => problem.split(': ')[0])).size
  return row(
    `operations, forward and backward${all ? ", and PyTorch's values" : ', a sample of each'}`,
    `${count}`,
    `${count - wrong}`,
    wrong === 0,
    problems[0],
  )
}

/** Products, rows and attention of every shape at which a tile, a block or a range ends. */
/** Those of large blocks take a card. */
async function edges(device: Device, onCard: boolean): Promise<Row> {
  const problems: string[] = []
  const all = [...kernelEdges, ...(onCard ? largeEdges : [])]
  for (const { name, check } of all) {
    const problem = await check(device).catch(messageOf)
    if (problem === undefined) continue
    problems.push(`${name}: ${problem}`)
    console.log(problems.at(-1))
  }
  const { length } = all
  return row(
    'shapes at the edges of what kernels are cut into',
    `${length}`,
    `${length - problems.length}`,
    problems.length === 0,
    problems[0],
  )
}

/** A model of random weights, greedily: with a cache that is written in place, and ids that any wrong value would change. */
async function decoding(device: Device): Promise<Row> {
  const config = llama({ vocabSize: 61, width: 32, layers: 2, heads: 4, kvHeads: 2, hidden: 48, context: 48 })
  const generate = async (target: Device): Promise<string> => {
    using model = await createModel({ config, weights: initWeights(config, { seed: 4 }), device: target })
    return (await model.generate([1, 2, 3, 4, 5], { maxTokens: 20 })).ids.join(' ')
  }
  const [found, expected] = [await generate(device), await generate(referenceDevice())]
  return row('20 tokens of a small Llama', expected, found, found === expected)
}

/** Losses of the first steps from the same weights on the same batches. */
async function training(device: Device): Promise<Row> {
  const config = llama({ vocabSize: 17, width: 16, layers: 1, heads: 2, kvHeads: 1, hidden: 24, context: 16 })
  const tokens = Int32Array.from({ length: 400 }, (_, i) => (i * i + 3 * i) % 17)
  const losses = async (target: Device): Promise<number[]> => {
    using run = train({
      config,
      weights: initWeights(config, { seed: 1 }),
      data: randomWindows(tokens, { rows: 2, length: 12, seed: 2 }),
      steps: 4,
      learningRate: 0.01,
      device: target,
    })
    const seen: number[] = []
    for await (const { loss } of run) seen.push(loss)
    return seen
  }
  const [found, expected] = [await losses(device), await losses(referenceDevice())]
  const print = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(' ')
  const agrees =
    found.length === expected.length && found.every((loss, i) => Math.abs(loss - expected[i]!) <= 1e-4 * Math.abs(expected[i]!))
  return row('losses of 4 training steps', print(expected), print(found), agrees)
}

async function leftovers(device: Device): Promise<Row> {
  await new Promise((resolve) => setTimeout(resolve, 20)) // programs go a moment after what used them
  const { liveBytes, liveBuffers } = device.memory()
  return row('bytes left on the device', '0', String(liveBytes), liveBytes === 0 && liveBuffers === 0)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
