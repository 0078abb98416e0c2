// Bar 1, the part of browsers: every sample of every row, forward and backward, as written and decomposed, and PyTorch's values, on WebGPU in Chromium.
import { readdirSync, readFileSync } from 'node:fs'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { openWebGpuPage } from '../../../../tests/browser/webgpu-page.js'
import { recordDevice } from '../devices.js'
import { row, unavailable, type RowSource } from '../../lib/row.js'

const goldens = new URL('../../../../packages/tensor/src/__fixtures__/goldens/', import.meta.url)
const figure = 'the op table on WebGPU in Chromium (SwiftShader)'

/** Operations whose kernels are cut differently for software and for graphics processors. */
const cutRows = [
  'matmul',
  'softmax',
  'logSoftmax',
  'softmaxGrad',
  'layerNorm',
  'rmsNorm',
  'crossEntropy',
  'crossEntropyGrad',
  'attention',
  'attendCached',
]

const source: RowSource = async ({ log }) => {
  const executable = findChromium()
  if (executable === undefined) return unavailable(figure, 'all', noChromium)
  const rows = []
  for (const place of ['page', 'worker'] as const) {
    await using opened = await openWebGpuPage(executable)
    const samples = await opened.run(place, 'conformance', { device: 'webgpu' })
    samples.problems.forEach((problem) => log(`${place}: ${problem}`))
    recordDevice(`webgpu, Chromium ${place}`, { description: 'SwiftShader', rows: samples.rows })
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
    if (place === 'page') {
      const limits = { maxStorageBufferBindingSize: 4096, maxBufferSize: 4096 }
      const { same, split, splitInTraining, steps, apart, liveBytes } = await opened.run(place, 'large', { limits, trains: true })
      rows.push(
        row(
          `a Llama on WebGPU in Chromium, ${place}, with weights in several bindings and buffers: ids and losses of 3 steps as on the CPU`,
          'the same, 1e-5',
          `${same ? 'the same' : 'others'}, ${apart.toExponential(1)}`,
          same && steps === 3 && apart <= 1e-5 && liveBytes === 0 && Math.min(split, splitInTraining) > 3,
          `${split} and ${splitInTraining} kernels reached arrays in ranges; ${liveBytes} bytes left`,
        ),
      )
      const cut = await opened.run(place, 'conformance', { device: 'webgpu', form: 'gpu', rows: cutRows })
      cut.problems.forEach((problem) => log(`graphics processors' form: ${problem}`))
      const failed = new Set(cut.problems.map((problem) => problem.split(': ')[0])).size
      rows.push(
        row(
          `${figure}, ${place}: samples of products, rows and attention as they are cut for graphics processors`,
          `${cut.count} of ${cut.count}`,
          `${cut.count - failed} of ${cut.count}`,
          failed === 0,
          cut.problems[0],
        ),
      )
    }
    if (opened.messages.length > 0)
      rows.push(row(`${figure}, ${place}: messages on the console`, '0', String(opened.messages.length), false, opened.messages[0]))
  }
  return rows
}
export default source
