import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { measure } from './measure.js'
import type { Row } from './row.js'
import type { RowFile } from './rows-in.js'
import { printTable } from './table.js'

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' }, out: { type: 'string' } } })
  const name = positionals[0]!
  const folder = join(import.meta.dirname, '..', name)
  const { default: files } = (await import(join(folder, 'index.ts'))) as { default: readonly RowFile[] }
  if (files.length === 0) {
    console.error(`The bars of '${name}' have no rows yet: there is no file in tools/acceptance/${name}/rows.`)
    return 2
  }
  const only = values.only?.split(',')
  const unknown = only?.filter((wanted) => !files.some((file) => file.name === wanted)) ?? []
  if (unknown.length > 0) {
    console.error(`'${name}' has no row called ${unknown.join(', ')}. Rows: ${files.map((file) => file.name).join(', ')}`)
    return 2
  }
  const start = performance.now()
  const rows: Row[] = []
  for (const file of files) {
    if (only !== undefined && !only.includes(file.name)) continue
    const began = performance.now()
    console.error(`${file.name} …`)
    rows.push(...(await measure(file)))
    console.error(`${file.name}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
  }
  const met = rows.every((one) => one.met)
  const results = {
    name,
    met,
    commit: spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], { encoding: 'utf8', cwd: folder }).stdout?.trim(),
    date: new Date().toISOString(),
    machine: {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
    },
    seconds: Math.round((performance.now() - start) / 1000),
    rows,
  }
  const out = values.out === undefined ? join(folder, 'results.json') : resolve(values.out)
  writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`)
  console.log(`\n${printTable(rows)}\n`)
  console.log(`${rows.filter((one) => one.met).length} of ${rows.length} met, ${results.seconds} s, ${results.commit}. Written to ${out}`)
  return met ? 0 : 1
}

process.exitCode = await main()
