// What every command of the repository needs before the first dependency is there, so only Node's own modules are used here.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** The environment for tools: the repository's own commands first, the running Node for every `env node`, no telemetry. */
export function toolEnvironment(extra = {}) {
  const name = Object.keys(process.env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH' // Windows writes it 'Path'
  const path = [join(root, 'node_modules/.bin'), dirname(process.execPath), process.env[name]].join(delimiter)
  return { ...process.env, [name]: path, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', ...extra }
}

/** Throws with the command that helps when the running Node is too old. */
export function checkNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new Error(`Node ${version} is too old: Tesserae needs 20.19 or later (require() of ES modules). Try: npx -y -p node@22 npm test`)
}

/**
 * Why node_modules does not match package-lock.json, or undefined when it does. Compares what npm recorded about the last
 * installation with the lock file, because times of files mean nothing after a checkout.
 */
export function installationProblem(folder = root) {
  const installedPath = join(folder, 'node_modules/.package-lock.json')
  if (!existsSync(installedPath)) return 'node_modules is missing'
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages
  const locked = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '' || entry.optional || entry.link) continue // optional: what other platforms need
    if (!path.includes('node_modules/')) continue // a workspace's own version changes without an installation
    if (installed[path] === undefined) return `${path} is not installed`
  }
  for (const [path, entry] of Object.entries(installed)) {
    if (!entry.link && path.includes('node_modules/') && locked[path]?.version !== entry.version) {
      return `${path} is ${entry.version}, package-lock.json says ${locked[path]?.version ?? 'nothing about it'}`
    }
  }
  for (const path of Object.keys(locked))
    if (locked[path].link && !existsSync(join(folder, path))) return `the workspace ${path} is not linked`
  return undefined
}

/** Installs the dependencies when they are missing or differ from package-lock.json. Prints what it does. */
export function ensureInstalled() {
  checkNode()
  const problem = installationProblem()
  if (problem === undefined) return
  const missing = !existsSync(join(root, 'node_modules'))
  // `npm ci` would delete a node_modules that other processes may be using; `npm install` only changes what differs.
  const command = missing ? 'ci' : 'install'
  console.log(`Installing dependencies (npm ${command}): ${problem}`)
  const start = performance.now()
  const result = spawnSync('npm', [command, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (result.error) throw new Error(`npm could not be started: ${result.error.message}`)
  if (result.status !== 0) throw new Error(`npm ${command} failed with exit code ${result.status}; its messages are above.`)
  console.log(`Installed in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}
