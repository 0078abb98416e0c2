/** The whole table of operations on one device: samples against the reference, and PyTorch's values. Free of Node and of the test runner. */
import type { Device } from '../device/device.js'
import { opTable } from '../ops/table.js'
import { checkSample } from './conformance.js'
import { checkGolden, parseGoldens } from './goldens.js'

export interface SweepOptions {
  /** Names of rows; default all. */
  readonly rows?: readonly string[] | undefined
  /** Of each row the first sample only, as it is written; default every sample, composites decomposed as well. */
  readonly first?: boolean
  /** Whether a case is passed over, by the dtypes that it names. */
  readonly passesOver?: (dtypes: readonly (string | undefined)[]) => boolean
  /** Told of each case after it ran. */
  readonly onCase?: (title: string, problems: readonly string[]) => void
}

export interface Swept {
  /** Cases that ran. */
  readonly count: number
  /** Cases that gave other values or failed. */
  readonly failed: number
  /** What was wrong, one line each, with the case's title in front. */
  readonly problems: readonly string[]
}

/** Values and gradients of samples, as written and decomposed, against the reference interpreter. */
export async function sweepSamples(device: Device, options: SweepOptions = {}): Promise<Swept> {
  const { rows, first = false, passesOver } = options
  const tally = new Tally(options)
  for (const row of opTable.values()) {
    if (rows !== undefined && !rows.includes(row.name)) continue
    for (const sample of first ? row.samples.slice(0, 1) : row.samples) {
      if (passesOver?.([...sample.inputs.map(({ dtype }) => dtype), String(sample.attrs?.['dtype'])]) === true) continue
      for (const decomposeAll of row.kind === 'composite' && !first ? [false, true] : [false])
        await tally.add(`${row.name}, ${sample.name}${decomposeAll ? ', decomposed' : ''}`, () =>
          checkSample(row, sample, device, { decomposeAll }),
        )
    }
  }
  return tally
}

/** PyTorch's values, from the text of a file of goldens. Tanh and erf of runtimes are approximations to a few units in the last place. */
export async function sweepGoldens(device: Device, text: string, options: SweepOptions = {}): Promise<Swept> {
  const tally = new Tally(options)
  for (const golden of parseGoldens(text)) {
    if (options.rows !== undefined && !options.rows.includes(golden.op)) continue
    if (options.passesOver?.([...golden.inputs, ...golden.outputs].map(({ dtype }) => dtype)) === true) continue
    await tally.add(golden.title, () => checkGolden(golden, device, { tolerance: { f32: 1e-5 } }))
  }
  return tally
}

class Tally implements Swept {
  count = 0
  failed = 0
  readonly problems: string[] = []

  constructor(private readonly options: SweepOptions) {}

  async add(title: string, check: () => Promise<readonly string[]>): Promise<void> {
    let found: readonly string[]
    try {
      found = await check()
    } catch (error) {
      found = [error instanceof Error ? error.message : String(error)]
    }
    this.count++
    if (found.length > 0) this.failed++
    this.problems.push(...found.map((problem) => `${title}: ${problem}`))
    this.options.onCase?.(title, found)
  }
}
