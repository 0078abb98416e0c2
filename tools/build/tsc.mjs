// The compiler that checks types and writes declarations: TypeScript 7, ten times as fast as 5.9, which stays installed as `typescript`
// because Vue's checker, TypeDoc and the docs' samples use its programming interface. `node tools/build/tsc.mjs ARGUMENTS` is `tsc ARGUMENTS`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const compiler = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript-native/package.json')))
const { status, error } = spawnSync(process.execPath, [compiler, ...process.argv.slice(2)], { stdio: 'inherit' })
if (error) throw error
process.exitCode = status ?? 1
