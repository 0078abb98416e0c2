// Size limits of the sources: no file above 500 lines, core under 600 lines in all (tests not counted), kebab-case names.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'

const longestFile = 500
const coreLines = 600
const source = /\.(ts|tsx|mts|cts|js|mjs|cjs|vue|py|wgsl|css|html)$/
const notWritten = /(^|\/)(dist|node_modules|__fixtures__|generated)\//

/**
 * What is wrong with `files`, one sentence each.
 * @param {readonly {path: string, text: string}[]} files
 */
export function findProblems(files) {
  const problems = []
  let core = 0
  for (const { path, text } of files) {
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
    if (lines > longestFile) problems.push(`${path} has ${lines} lines; the limit is ${longestFile}. Split it by concept.`)
    if (path.startsWith('packages/core/src/') && !path.endsWith('.test.ts')) core += lines
    if (!/^[a-z0-9_.-]+$/.test(basename(path))) problems.push(`${path}: file names are kebab-case.`)
  }
  if (core >= coreLines) problems.push(`packages/core/src has ${core} lines without tests; it stays under ${coreLines}.`)
  return problems
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const paths = listed.split('\0').filter((path) => source.test(path) && !notWritten.test(path) && existsSync(path))
  const problems = findProblems(paths.map((path) => ({ path, text: readFileSync(path, 'utf8') })))
  for (const problem of problems) console.error(problem)
  console.log(`${paths.length} source files, ${problems.length} problems`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
