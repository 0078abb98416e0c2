import { spawnSync } from 'node:child_process'
import { root, toolEnvironment } from './install.mjs'

/**
 * Builds the JavaScript of `packages` and of what they depend on; what has not changed comes from turbo's cache.
 * @param {readonly string[]} packages names such as '@tesserae/tensor'; none means all
 */
export function buildPackages(packages = []) {
  const filters = packages.map((name) => `--filter=${name}...`)
  const args = ['run', 'build:js', '--output-logs=errors-only', '--log-prefix=none', ...filters]
  const result = spawnSync('turbo', args, { cwd: root, env: toolEnvironment(), encoding: 'utf8', shell: process.platform === 'win32' })
  if (result.error) throw new Error(`turbo could not be started: ${result.error.message}`)
  if (result.status !== 0) throw new Error(`The packages could not be built:\n${result.stdout}${result.stderr}`)
}
