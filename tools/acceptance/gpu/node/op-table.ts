// Run by itself: the table of operations on device 'webgpu' in Node. Prints a line of JSON for each case, and what came of all. Arguments name rows. On a graphics card
// `--json FILE` writes what came of the samples, for tools/docs/write-devices.ts, and `--record 'webgpu, NVIDIA H200 (Dawn)'` puts it into that column right away.
import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { resolveDevice } from '@tesserae/tensor'
import { checkGoldens, checkTable, type TableOptions } from '../../../../packages/tensor/src/testing/op-table.js'
import { recordDevice, writeTally, type CardColumn } from '../devices.js'
import type { Line } from './line.js'
import { sayLine } from './run.js'

const say: (line: Line) => void = sayLine
const {
  values: { json, record },
  positionals,
} = parseArgs({ allowPositionals: true, options: { json: { type: 'string' }, record: { type: 'string' } } })
const rows = positionals.length > 0 ? positionals : undefined
if (rows !== undefined && (json ?? record) !== undefined) throw new Error('--json and --record are of all rows; name none')
if (record !== undefined && !/^webgpu, \S/.test(record)) throw new Error(`--record names a column 'webgpu, …'; got '${record}'`)
const goldens = new URL('../../../../packages/tensor/src/__fixtures__/goldens/', import.meta.url)

try {
  const device = await resolveDevice('webgpu')
  say({ kind: 'device', description: device.description })
  const options: TableOptions = {
    ...(rows === undefined ? {} : { rows }),
    onSample: (title, problems) => say({ kind: 'case', title, problems }),
  }
  const samples = await checkTable(device, options)
  say({ kind: 'samples', count: samples.count, failed: samples.failed, rows: samples.rows })
  const tally = { description: device.description, rows: samples.rows }
  if (json !== undefined) writeTally(json, tally, samples.problems)
  if (record !== undefined) recordDevice(record as CardColumn, tally)
  let [count, failed] = [0, 0]
  for (const file of readdirSync(goldens).filter((name) => name.endsWith('.json'))) {
    const found = await checkGoldens(readFileSync(new URL(file, goldens), 'utf8'), device, options)
    count += found.count
    failed += found.failed
  }
  say({ kind: 'goldens', count, failed, rows: {} })
  await device.dispose()
} catch (error) {
  say({ kind: 'missing', reason: error instanceof Error ? error.message : String(error) })
}
