/** The whole table of operations on a device: samples against the reference interpreter, and PyTorch's values. Free of Node and of the test runner. */
import type { Device } from '../device/device.js'
import { opTable } from '../ops/table.js'
import { checkSample } from './conformance.js'
import { checkGolden, parseGoldens } from './goldens.js'

export interface TableChecks {
  /** What was looked at. */
  readonly count: number
  /** Those with problems. */
  readonly failed: number
  /** By the row of the table: how many are right, of how many. */
  readonly rows: Readonly<Record<string, readonly [right: number, count: number]>>
  /** What differs, each line beginning with the title of what it is about. */
  readonly problems: readonly string[]
}

export interface TableOptions {
  /** Names of rows; all when none is given. */
  readonly rows?: readonly string[]
  /** Of each row the first sample as it is written, instead of all, and composites decomposed too. */
  readonly first?: boolean
  /** Leaves out what has this dtype anywhere: devices that do not hold it refuse it. */
  readonly without?: string
  /** Told after each sample. */
  readonly onSample?: (title: string, problems: readonly string[]) => void
}

/** Counts by row, and in all. */
class Tally {
  count = 0
  failed = 0
  readonly problems: string[] = []
  readonly rows: Record<string, [number, number]> = {}

  add(row: string, title: string, found: readonly string[]): void {
    this.count++
    if (found.length > 0) this.failed++
    this.problems.push(...found.map((problem) => `${title}: ${problem}`))
    const [right, count] = this.rows[row] ?? [0, 0]
    this.rows[row] = [right + (found.length > 0 ? 0 : 1), count + 1]
  }

  get checks(): TableChecks {
    const { count, failed, rows, problems } = this
    return { count, failed, rows, problems }
  }
}

const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Samples of rows, values and gradients. */
export async function checkTable(device: Device, { rows, first = false, without, onSample }: TableOptions = {}): Promise<TableChecks> {
  const tally = new Tally()
  for (const row of opTable.values()) {
    if (rows !== undefined && !rows.includes(row.name)) continue
    for (const sample of first ? row.samples.slice(0, 1) : row.samples) {
      if (without !== undefined && [...sample.inputs.map(({ dtype }) => dtype), sample.attrs?.['dtype']].includes(without)) continue
      for (const decomposeAll of row.kind === 'composite' && !first ? [false, true] : [false]) {
        const title = `${row.name}, ${sample.name}${decomposeAll ? ', decomposed' : ''}`
        const found = await checkSample(row, sample, device, { decomposeAll }).catch((error: unknown) => [errorText(error)])
        onSample?.(title, found)
        tally.add(row.name, title, found)
      }
    }
  }
  return tally.checks
}

/** PyTorch's values, from the text of a file of goldens. */
export async function checkGoldens(
  text: string,
  device: Device,
  { rows, without, onSample }: Omit<TableOptions, 'first'> = {},
): Promise<TableChecks> {
  const tally = new Tally()
  for (const golden of parseGoldens(text)) {
    if (rows !== undefined && !rows.includes(golden.op)) continue
    if (without !== undefined && [...golden.inputs, ...golden.outputs].some(({ dtype }) => dtype === without)) continue
    // Tanh and erf are approximations to a few units in the last place, on ONNX Runtime as on graphics cards.
    const found = await checkGolden(golden, device, { tolerance: { f32: 1e-5 } }).catch((error: unknown) => [errorText(error)])
    onSample?.(golden.title, found)
    tally.add(golden.op, golden.title, found)
  }
  return tally.checks
}
