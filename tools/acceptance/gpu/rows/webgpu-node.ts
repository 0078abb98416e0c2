// Bar 1, the part of Node: every sample of every row and PyTorch's values on the package `webgpu` (Dawn), with whatever Vulkan driver there is; CONTRIBUTING.md says how to
// get one in software. WEBGPU_ROWS="add matmul" goes through these rows only. A driver in software compiles for up to a second for each kernel: many minutes.
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { recordDevice } from '../devices.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import type { Line } from '../node/line.js'

const figure = 'the op table on WebGPU in Node (Dawn)'
const script = fileURLToPath(new URL('../node/op-table.ts', import.meta.url))

const source: RowSource = async ({ log }) => {
  const rows = process.env['WEBGPU_ROWS']?.split(/[\s,]+/).filter((name) => name !== '') ?? []
  const child = spawn(process.execPath, ['--conditions=@tesserae/source', '--import', 'tsx', script, ...rows], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // What was compiled is kept for the next time.
    env: { MESA_SHADER_CACHE_DIR: join(tmpdir(), 'tesserae-shader-cache'), XDG_RUNTIME_DIR: tmpdir(), ...process.env },
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)))
  const ended = new Promise<number | string>((resolve) => child.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing')))
  const part = rows.length === 0 ? '' : `, rows ${rows.join(', ')} only`
  const found: Row[] = []
  let where = ''
  let cases = 0
  let latest = 'none'
  let problem: string | undefined
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line
    switch (line.kind) {
      case 'missing':
        return unavailable(figure, 'all', line.reason)
      case 'device':
        where = line.description
        log(where)
        break
      case 'case':
        cases++
        latest = line.title
        for (const each of line.problems) log(`${line.title}: ${each}`)
        if (line.problems.length > 0) problem ??= `${line.title}: ${line.problems[0]!}`
        if (cases % 50 === 0) log(`${cases} cases, the last ${line.title}`)
        break
      case 'samples':
      case 'goldens': {
        const { count, failed } = line
        const what = line.kind === 'samples' ? 'samples, as written and decomposed, with gradients' : "PyTorch's values"
        const whole = part === '' && count > 0
        if (line.kind === 'samples' && whole) recordDevice('webgpu, Node', { description: where, rows: line.rows })
        // A part is a look at some rows, and no answer to the question.
        found.push(row(`${figure}: ${what}${part}`, 'all', `${count - failed} of ${count}`, whole && failed === 0, problem ?? where))
        problem = undefined
        break
      }
      default:
        line satisfies never
    }
  }
  const code = await ended
  if (code !== 0 || found.length < 2)
    found.push(
      row(`${figure}: the process ends well`, '0', String(code), false, `after ${cases} cases, the last ${latest}; ${errors.trim()}`),
    )
  return found
}
export default source
