// Bar 3: a random model of GPT-2's shape (124M) beside node-llama-cpp on the same GGUF files.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantizeGguf } from '@tesserae/transformer/node'
import { unavailable, type Row, type RowSource } from '../../lib/row.js'
import { llamaFolder } from '../peers/llama-cpp.js'
import { besideLlama } from '../speed/beside-llama.js'
import { randomGpt2 } from '../speed/gpt2.js'

const source: RowSource = async ({ log }) => {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-speed-'))
  try {
    const path = await randomGpt2()
    const folder = llamaFolder()
    const rows: Row[] = []
    for (const type of ['q8_0', 'q4_0'] as const) {
      const file = join(scratch, `${type}.gguf`)
      await quantizeGguf(path, file, { type })
      // Its context ends at 1,024.
      rows.push(...(await besideLlama({ name: `GPT-2, ${type.toUpperCase()}`, path: file, folder, contexts: [128, 700], log })).rows)
    }
    return rows
  } catch (error) {
    return unavailable("decoding a model of GPT-2's shape beside node-llama-cpp", '≥ 1 times', error)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
export default source
