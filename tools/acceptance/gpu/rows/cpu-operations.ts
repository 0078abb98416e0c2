// Bar 1's table has the CPU beside the graphics devices: the same samples on ONNX Runtime, which takes no bfloat16.
import { resolveDevice } from '@tesserae/tensor'
import { checkTable } from '../../../../packages/tensor/src/testing/op-table.js'
import { row, type RowSource } from '../../lib/row.js'
import { recordDevice } from '../devices.js'

const source: RowSource = async ({ log }) => {
  const device = await resolveDevice('cpu')
  const { count, failed, rows, problems } = await checkTable(device, { without: 'bf16' })
  problems.forEach((problem) => log(problem))
  recordDevice('cpu', { description: device.description, rows })
  return [
    row(
      'the op table on the CPU: samples, as written and decomposed, with gradients',
      `${count} of ${count}`,
      `${count - failed} of ${count}`,
      failed === 0,
      problems[0] ?? device.description,
    ),
  ]
}
export default source
