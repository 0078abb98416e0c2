// `npm run quickstart`: installs what is missing, builds the packages (a second or two), then runs examples/quickstart on them.
// The packages run as built rather than from source: tsx, which runs the example itself, adds work to every function it compiles.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { ensureInstalled, root, toolEnvironment } from '../setup/install.mjs'

try {
  ensureInstalled()
  const { buildPackages } = await import('../setup/build.mjs')
  buildPackages(['@tesserae/rlhf', '@tesserae/rag'])
} catch (error) {
  console.error(error.message)
  process.exit(1)
}

const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'examples/quickstart/src/main.ts'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: toolEnvironment(),
})
// Ctrl-C reaches the example too, which then writes its checkpoint: this process only waits for it.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('error', (error) => {
  console.error(`The quickstart could not be started: ${error.message}`)
  process.exitCode = 1
})
child.on('close', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : signal === 'SIGINT' ? 130 : 1
})
