import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, toolEnvironment } from '../setup/install.mjs'

/** @typedef {{ name: string, passed: number, failed: number, failures: string[], skipped: {name: string, reason?: string}[], seconds: number }} StepResult */

const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts

/** Runs `npm run check:NAME`'s command. Its output is shown as it comes (`live`) or only when it fails. */
export async function runStep({ name, live = false, tests = false }) {
  const script = scripts[name === 'build' ? 'build' : `check:${name}`]
  if (script === undefined) throw new Error(`package.json has no script check:${name}`)
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-test-'))
  const summaryPath = join(scratch, 'summary.json')
  const start = performance.now()
  let output = ''
  const code = await new Promise((resolve, reject) => {
    const child = spawn(script, {
      cwd: root,
      shell: true,
      stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'],
      env: toolEnvironment(tests ? { TESSERAE_TEST_SUMMARY: summaryPath } : {}),
    })
    child.stdout?.on('data', (chunk) => (output += chunk))
    child.stderr?.on('data', (chunk) => (output += chunk))
    child.on('error', reject)
    child.on('close', (status) => resolve(status ?? 1))
  })
  const seconds = (performance.now() - start) / 1000
  /** @type {StepResult} */
  const result = { name, passed: 0, failed: 0, failures: [], skipped: [], seconds }
  if (tests && existsSync(summaryPath)) {
    Object.assign(result, JSON.parse(readFileSync(summaryPath, 'utf8')))
    if (code !== 0 && result.failed === 0)
      Object.assign(result, { failed: 1, failures: [`${name}: exit code ${code} though no test failed`] })
  } else if (code === 0 && !tests) result.passed = 1
  else Object.assign(result, { failed: 1, failures: [`${name}: \`npm run ${name === 'build' ? 'build' : `check:${name}`}\``] })
  rmSync(scratch, { recursive: true, force: true })
  if (!live && code !== 0) console.log(`\n--- ${name} ---\n${output.trimEnd()}\n`)
  return result
}
