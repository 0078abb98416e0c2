// What npm would publish, checked from the tarballs: publint --strict, are-the-types-wrong for ES modules, and the files inside.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root, toolEnvironment } from '../setup/install.mjs'
import { packPackages } from '../setup/pack.mjs'

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env: toolEnvironment({ NO_COLOR: '1' }), shell: process.platform === 'win32' })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

const packed = packPackages(join(root, '.cache/packed'))
let failed = false
for (const [name, { path, files }] of packed) {
  const problems = []
  for (const file of ['README.md', 'LICENSE', 'NOTICE', 'dist/index.js', 'dist/index.d.ts'])
    if (!files.includes(file)) problems.push(`lacks ${file}`)
  for (const file of files) if (/\.test\.|__fixtures__|^src\//.test(file)) problems.push(`contains ${file}`)
  const [lint, types] = await Promise.all([run('publint', ['run', path, '--strict']), run('attw', ['--profile', 'esm-only', path])])
  if (lint.code !== 0) problems.push(`publint:\n${lint.output}`)
  if (types.code !== 0) problems.push(`attw:\n${types.output}`)
  console.log(`${name}: ${problems.length === 0 ? `ok, ${files.length} files` : problems.join('\n')}`)
  failed ||= problems.length > 0
}
process.exitCode = failed ? 1 : 0
