// Bar 6: what people do wrong. Each is met when a typed error with the right code came and the process computes on.
import { resolveDevice, setDefaultDevice, tensor, TensorError } from '@tesserae/tensor'
import { TransformerError } from '@tesserae/transformer'
import { row, type Row, type RowSource } from '../../lib/row.js'
import type { WrongInput } from '../wrong-inputs/case.js'
import { fileCases } from '../wrong-inputs/files.js'
import { modelCases } from '../wrong-inputs/models.js'
import { tensorCases } from '../wrong-inputs/tensors.js'

const source: RowSource = async ({ log }) => {
  setDefaultDevice(await resolveDevice('cpu'))
  const rows: Row[] = []
  for (const wrong of [...tensorCases, ...(await fileCases()), ...modelCases]) {
    const found = await rowOf(wrong)
    log(`${found.met ? 'met' : 'NOT MET'}  ${wrong.title}: ${found.measured}`)
    rows.push(found)
  }
  return rows
}
export default source

async function rowOf({ title, codes, attempt }: WrongInput): Promise<Row> {
  const { code, message } = await outcome(attempt)
  const computes = await stillComputes()
  return row(
    title,
    codes.join(' or '),
    computes ? code : `${code}, and the process no longer computes`,
    computes && codes.includes(code),
    message,
  )
}

async function outcome(attempt: () => unknown): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await attempt()
    return { code: 'no error', message: '' }
  } catch (error) {
    if (TensorError.isInstance(error) || TransformerError.isInstance(error)) return { code: error.code, message: error.message }
    // What another process reported has been typed there.
    const { code, message } = error as { code?: unknown; message?: unknown }
    return { code: typeof code === 'string' ? code : 'an untyped error', message: String(message ?? error) }
  }
}

async function stillComputes(): Promise<boolean> {
  using x = tensor([
    [1, 2],
    [3, 4],
  ])
  const values = await x.matmul(x).data()
  return [...values].join() === '7,10,15,22'
}
