// `npm test`: installs what is missing, builds, checks everything and runs every test. The last line is `N passed, N failed`.
//
//   npm test                          everything
//   npm test -- --only lint,types     some steps
//   npm run check:lint                one step by itself
import { parseArgs } from 'node:util'
import { ensureInstalled } from '../setup/install.mjs'

/**
 * In this order. `lane` steps run two at a time; the others alone, their output shown as it comes.
 * `built` steps look at the packages' dist and are failed at once when the build failed.
 */
const steps = [
  { name: 'build' },
  { name: 'types', lane: true },
  { name: 'sites', lane: true },
  { name: 'lint', lane: true },
  { name: 'format', lane: true },
  { name: 'files', lane: true },
  { name: 'layers', lane: true },
  { name: 'unused', lane: true },
  { name: 'packages', lane: true, built: true },
  { name: 'size', lane: true, built: true },
  { name: 'tests', live: true, tests: true },
  { name: 'apps', live: true, tests: true },
  { name: 'consumers', live: true, tests: true, built: true },
]

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const only = values.only?.split(',')
const unknown = only?.filter((name) => !steps.some((step) => step.name === name)) ?? []
if (unknown.length > 0) {
  console.error(`No step is called ${unknown.join(', ')}. Steps: ${steps.map((step) => step.name).join(', ')}`)
  process.exit(2)
}

const start = performance.now()
try {
  ensureInstalled()
} catch (error) {
  console.error(error.message)
  console.log('0 passed, 1 failed')
  process.exit(1)
}
const { runStep } = await import('./steps.mjs')

const results = []
const chosen = only === undefined ? steps : steps.filter((step) => only.includes(step.name))

async function run(step) {
  const buildFailed = results.some((result) => result.name === 'build' && result.failed > 0)
  const result =
    step.built && buildFailed
      ? { name: step.name, passed: 0, failed: 1, failures: [`${step.name}: not run, because the build failed`], skipped: [], seconds: 0 }
      : await runStep(step)
  results.push(result)
  const counts = step.tests ? `${result.passed} passed, ${result.failed} failed` : result.failed === 0 ? 'ok' : 'failed'
  console.log(`${result.failed === 0 ? '✓' : '✗'} ${step.name.padEnd(10)} ${result.seconds.toFixed(1).padStart(6)} s  ${counts}`)
}

for (let i = 0; i < chosen.length;) {
  const lane = []
  while (i < chosen.length && chosen[i].lane) lane.push(chosen[i++])
  const worker = async () => {
    for (let step = lane.shift(); step !== undefined; step = lane.shift()) await run(step)
  }
  if (lane.length > 0) await Promise.all([worker(), worker()])
  else await run(chosen[i++])
}

const skipped = results.flatMap((result) => result.skipped)
if (skipped.length > 0) {
  console.log(`\n${skipped.length} skipped:`)
  for (const { name, reason } of skipped) console.log(`  ${name}: ${reason ?? 'no reason given'}`)
}
const failures = results.flatMap((result) => result.failures)
if (failures.length > 0) {
  console.log('\nFailed:')
  for (const failure of failures) console.log(`  ${failure}`)
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0)
console.log(`\n${((performance.now() - start) / 1000).toFixed(0)} s in all`)
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
process.exitCode = sum('failed') === 0 ? 0 : 1
