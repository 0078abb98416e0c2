// Bar 1, the part of browsers: every sample of every row, forward and backward, as written and decomposed, and PyTorch's values, on WebGPU in Chromium.
import { readdirSync, readFileSync } from 'node:fs'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { openWebGpuPage } from '../../../../tests/browser/webgpu-page.js'
import { row, unavailable, type RowSource } from '../../lib/row.js'

const goldens = new URL('../../../../packages/tensor/src/__fixtures__/goldens/', import.meta.url)
const figure = 'the op table on WebGPU in Chromium (SwiftShader)'

const source: RowSource = async ({ log }) => {
  const executable = findChromium()
  if (executable === undefined) return unavailable(figure, 'all', noChromium)
  const rows = []
  for (const place of ['page', 'worker'] as const) {
    await using opened = await openWebGpuPage(executable)
    const samples = await opened.run(place, 'conformance', { device: 'webgpu' })
    samples.problems.forEach((problem) => log(`${place}: ${problem}`))
    rows.push(
      row(
        `${figure}, ${place}: samples, as written and decomposed, with gradients`,
        `${samples.count} of ${samples.count}`,
        `${samples.count - samples.failed} of ${samples.count}`,
        samples.problems.length === 0,
        samples.problems[0],
      ),
    )
    let [count, failed] = [0, 0]
    const problems: string[] = []
    for (const file of readdirSync(goldens).filter((name) => name.endsWith('.json'))) {
      const found = await opened.run(place, 'goldens', { text: readFileSync(new URL(file, goldens), 'utf8'), device: 'webgpu' })
      count += found.count
      failed += found.failed
      problems.push(...found.problems)
    }
    problems.forEach((problem) => log(`${place}: ${problem}`))
    rows.push(
      row(
        `${figure}, ${place}: PyTorch's values`,
        `${count} of ${count}`,
        `${count - failed} of ${count}`,
        problems.length === 0,
        problems[0],
      ),
    )
    if (opened.messages.length > 0)
      rows.push(row(`${figure}, ${place}: messages on the console`, '0', String(opened.messages.length), false, opened.messages[0]))
  }
  return rows
}
export default source
