// Bar 1, the part of CUDA: every sample of every row, forward and backward, as written and decomposed, and PyTorch's values, by the PTX that ships, run on the processor.
import { readdirSync, readFileSync } from 'node:fs'
import { openCuda } from '../../../../packages/tensor/src/device/cuda/device.js'
import { emulatedDriver } from '../../../../packages/tensor/src/device/cuda/testing/driver.js'
import { checkGoldens, checkTable } from '../../../../packages/tensor/src/testing/op-table.js'
import { row, type RowSource } from '../../lib/row.js'

const goldens = new URL('../../../../packages/tensor/src/__fixtures__/goldens/', import.meta.url)
const figure = 'the op table on CUDA (PTX on an emulator of the driver)'

const source: RowSource = async ({ log }) => {
  const [device, other] = [openCuda(emulatedDriver()), openCuda(emulatedDriver())]
  try {
    const samples = await checkTable(device, { onSample: (title, found) => found.forEach((problem) => log(`${title}: ${problem}`)) })
    const wrong = new Set(samples.problems.map((problem) => problem.split(': ')[0])).size
    // What samples are made of is collected one day; PyTorch's values are let go of, so this device must be empty at the end.
    let count = 0
    const problems: string[] = []
    for (const file of readdirSync(goldens).filter((name) => name.endsWith('.json'))) {
      const found = await checkGoldens(readFileSync(new URL(file, goldens), 'utf8'), other)
      count += found.count
      problems.push(...found.problems)
    }
    problems.forEach((problem) => log(problem))
    return [
      row(
        `${figure}: samples, as written and decomposed, with gradients`,
        `${samples.count} of ${samples.count}`,
        `${samples.count - wrong} of ${samples.count}`,
        wrong === 0,
        samples.problems[0] ?? device.description,
      ),
      row(
        `${figure}: PyTorch's values`,
        `${count} of ${count}`,
        `${count - problems.length} of ${count}`,
        problems.length === 0,
        problems[0],
      ),
      row(`${figure}: bytes left on the device`, '0', String(other.memory().liveBytes), other.memory().liveBytes === 0),
    ]
  } finally {
    await device.dispose()
    await other.dispose()
  }
}
export default source
