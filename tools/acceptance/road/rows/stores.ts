// Bar 3: the conformance kit on every store, in Node and in Chromium; ten kills during sync lose nothing acknowledged; a second opener is refused.
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import type { CheckResult } from '../stores/collect.js'
import { runInChromium, type BrowserSuite } from '../stores/in-chromium.js'
import { killWriters } from '../stores/killed.js'
import { suites, type SuiteName } from '../stores/suites.js'

const kills = 10

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  for (const name of Object.keys(suites) as SuiteName[]) {
    const results = await suites[name]()
    log(`Node, ${name}: ${results.length} checks`)
    rows.push(conformance(`Conformance kit of ${name} in Node`, results))
  }
  rows.push(...(await inChromium(log)))
  const { acknowledged, lost, torn, refused } = await killWriters(kills, log)
  rows.push(
    row(
      `Acknowledged writes lost, sources torn after ${kills} kill -9 during sync (PGlite in a directory)`,
      '0 lost, 0 torn',
      `${lost} lost, ${torn} torn`,
      lost === 0 && torn === 0 && acknowledged > 0,
      `${acknowledged} writes acknowledged; the writer is killed 0 to 15 ms after one of them`,
    ),
    row(
      'A second opener of the directory while the writer lives',
      `refused ${kills} of ${kills} times`,
      `refused ${refused} times`,
      refused === kills,
    ),
  )
  return rows
}
export default source

async function inChromium(log: (line: string) => void): Promise<Row[]> {
  const names: BrowserSuite[] = [...(Object.keys(suites) as SuiteName[]), 'IndexedDB']
  try {
    const { results, messages } = await runInChromium(names)
    for (const message of messages) log(`Chromium said: ${message}`)
    return names.map((name) =>
      name === 'IndexedDB'
        ? conformance('PGlite in IndexedDB in Chromium: kept, locked, opened again', results.get(name)!)
        : conformance(`Conformance kit of ${name} in Chromium`, results.get(name)!),
    )
  } catch (error) {
    return [unavailable('Conformance kit in Chromium', 'all checks', error)]
  }
}

function conformance(figure: string, results: readonly CheckResult[]): Row {
  const failed = results.filter(({ error }) => error !== undefined)
  return row(
    figure,
    `all of ${results.length} checks`,
    `${results.length - failed.length} of ${results.length}`,
    failed.length === 0 && results.length > 0,
    failed.length === 0 ? undefined : failed.map(({ name, error }) => `${name}: ${error?.split('\n')[0]}`).join('; '),
  )
}
