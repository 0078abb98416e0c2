// Run by itself: the table of operations on device 'webgpu' in Node. Prints a line of JSON for each case, and what came of all. Arguments name rows.
import { readdirSync, readFileSync } from 'node:fs'
import { resolveDevice } from '@tesserae/tensor'
import { checkGoldens, checkTable, type TableOptions } from '../../../../packages/tensor/src/testing/op-table.js'
import type { Line } from './line.js'

const say = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const rows = process.argv.length > 2 ? process.argv.slice(2) : undefined
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
