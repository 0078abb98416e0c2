// Bar 1, the part of Node: every sample of every row and PyTorch's values on the package `webgpu` (Dawn), with whatever Vulkan driver there is; CONTRIBUTING.md says how to
// get one in software. WEBGPU_ROWS="add matmul" goes through these rows only. A driver in software compiles for up to a second for each kernel: many minutes.
import { recordDevice } from '../devices.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import type { Line } from '../node/line.js'
import { runInNode } from '../node/run.js'

const figure = 'the op table on WebGPU in Node (Dawn)'

const source: RowSource = async ({ log }) => {
  const rows = process.env['WEBGPU_ROWS']?.split(/[\s,]+/).filter((name) => name !== '') ?? []
  const child = runInNode<Line>('./op-table.ts', { args: rows })
  const part = rows.length === 0 ? '' : `, rows ${rows.join(', ')} only`
  const found: Row[] = []
  let where = ''
  let cases = 0
  let latest = 'none'
  let problem: string | undefined
  for await (const line of child.lines) {
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
  const { code, errors } = await child.ended()
  if (code !== 0 || found.length < 2)
    found.push(row(`${figure}: the process ends well`, '0', String(code), false, `after ${cases} cases, the last ${latest}; ${errors}`))
  return found
}
export default source
