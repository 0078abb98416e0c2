// `npm run acceptance -- NAME [--only row,row] [--out file.json]`: measures the bars of an issue and prints a table of figure, target,
// measured, met. Exit code 0 when all are met, 1 when one falls short, 2 when there is nothing to measure.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureInstalled, root, toolEnvironment } from '../setup/install.mjs'

const names = ['foundation', 'road', 'tokenizer', 'gpu', 'sampling', 'transformer']
const usage = `Usage: npm run acceptance -- NAME [--only row,row] [--out results.json]\nNames: ${names.join(', ')}`

function fail(message) {
  console.error(message)
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: { only: { type: 'string' }, out: { type: 'string' } } })
  } catch (error) {
    return fail(`${error.message}\n${usage}`)
  }
}

const { values, positionals } = readArguments()
const [name] = positionals
if (name === undefined) fail(`Which bars?\n${usage}`)
if (positionals.length > 1) fail(`One name at a time, not ${positionals.join(', ')}.\n${usage}`)
if (!names.includes(name)) fail(`There are no bars called '${name}'.\n${usage}`)
if (!existsSync(join(root, 'tools/acceptance', name, 'index.ts')))
  fail(`The bars of '${name}' have no rows yet: tools/acceptance/${name}/index.ts does not exist.`)

try {
  ensureInstalled()
  const { buildPackages } = await import('../setup/build.mjs')
  buildPackages()
} catch (error) {
  fail(error.message)
}
const args = ['--import', 'tsx', join(root, 'tools/acceptance/lib/main.ts'), name]
if (values.only !== undefined) args.push('--only', values.only)
if (values.out !== undefined) args.push('--out', values.out)
const result = spawnSync(process.execPath, args, { stdio: 'inherit', env: toolEnvironment() })
if (result.error) fail(result.error.message)
process.exitCode = result.status ?? 1
