// Batches in worker threads: the ids of encode in their order, and a process that ends by itself.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { row, type RowSource } from '../../lib/row.js'

const script = `
import { Tokenizer } from '@tesserae/tokenizer'
import { createBatchEncoder } from '@tesserae/tokenizer/batch'
const texts = Array.from({ length: 400 }, (_, i) => ('Call me Ishmael ' + i + '. ').repeat(i * 3))
const tokenizer = await Tokenizer.fromEncoding('cl100k_base')
const encoder = await createBatchEncoder({ encoding: 'cl100k_base' }, { workers: 2 })
const before = performance.now()
const ids = await encoder.encodeBatch(texts)
const threads = performance.now() - before
const again = performance.now()
const one = tokenizer.encodeBatch(texts)
const alone = performance.now() - again
const same = ids.length === one.length && ids.every((each, i) => each.length === one[i].length && each.every((id, at) => id === one[i][at]))
console.log(JSON.stringify({ same, threads, alone }))
`

const source: RowSource = async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: new URL('../../../../packages/tokenizer', import.meta.url),
    timeout: 60_000,
  })
  const { same, threads, alone } = JSON.parse(stdout) as { same: boolean; threads: number; alone: number }
  const note = `${threads.toFixed(0)} ms by the clock in two threads, ${alone.toFixed(0)} ms in one; the encoder is not closed, and the process ends`
  return row(
    'a batch of 400 texts in two worker threads of the built package',
    'the ids of encode',
    same ? 'the same' : 'not the same',
    same,
    note,
  )
}
export default source
