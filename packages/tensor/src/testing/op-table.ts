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

const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Samples of rows, values and gradients. */
export async function checkTable(device: Device, { rows, first = false, without, onSample }: TableOptions = {}): Promise<TableChecks> {
  const problems: string[] = []
  let [count, failed] = [0, 0]
  for (const row of opTable.values()) {
    if (rows !== undefined && !rows.includes(row.name)) continue
    for (const sample of first ? row.samples.slice(0, 1) : row.samples) {
      if (without !== undefined && [...sample.inputs.map(({ dtype }) => dtype), sample.attrs?.['dtype']].includes(without)) continue
      for (const decomposeAll of row.kind === 'composite' && !first ? [false, true] : [false]) {
        const title = `${row.name}, ${sample.name}${decomposeAll ? ', decomposed' : ''}`
        count++
        const found = await checkSample(row, sample, device, { decomposeAll }).catch((error: unknown) => [errorText(error)])
        onSample?.(title, found)
        if (found.length > 0) failed++
        problems.push(...found.map((problem) => `${title}: ${problem}`))
      }
    }
  }
  return { count, failed, problems }
}

/** PyTorch's values, from the text of a file of goldens. */
export async function checkGoldens(
  text: string,
  device: Device,
  { rows, without, onSample }: Omit<TableOptions, 'first'> = {},
): Promise<TableChecks> {
  const problems: string[] = []
  let [count, failed] = [0, 0]
  for (const golden of parseGoldens(text)) {
    if (rows !== undefined && !rows.includes(golden.op)) continue
    if (without !== undefined && [...golden.inputs, ...golden.outputs].some(({ dtype }) => dtype === without)) continue
    count++
    // Tanh and erf are approximations to a few units in the last place, on ONNX Runtime as on graphics cards.
    const found = await checkGolden(golden, device, { tolerance: { f32: 1e-5 } }).catch((error: unknown) => [errorText(error)])
    onSample?.(golden.title, found)
    if (found.length > 0) failed++
    problems.push(...found.map((problem) => `${golden.title}: ${problem}`))
  }
  return { count, failed, problems }
}
