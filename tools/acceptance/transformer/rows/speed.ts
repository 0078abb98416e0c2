// Bar 3: decoding, prompts and memory beside node-llama-cpp on Gemma 3 270M's GGUF files; bytes a second of decoding beside what memory gives.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantizeGguf } from '@tesserae/transformer/node'
import { atLeast, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { realModel } from '../models.js'
import { llamaFolder } from '../peers/llama-cpp.js'
import { memoryBandwidth } from '../speed/bandwidth.js'
import { besideLlama } from '../speed/beside-llama.js'
import type { Side } from '../speed/turns.js'

const figure = 'decoding beside node-llama-cpp'

const source: RowSource = async ({ log }) => {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-speed-'))
  try {
    const path = realModel('gemma-3-270m-q4_k_m.gguf')
    const folder = llamaFolder()
    const q8 = join(scratch, 'q8_0.gguf')
    await quantizeGguf(path, q8, { type: 'q8_0', requantize: true })
    const contexts = [128, 2048] as const
    const small = await besideLlama({ name: 'Q4_K_M', path, folder, contexts, log })
    const large = await besideLlama({ name: 'Q8_0', path: q8, folder, contexts, log })
    return [...small.rows, ...large.rows, bandwidth(q8, large.token)]
  } catch (error) {
    return unavailable(figure, '≥ 1 times', error)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
export default source

/** Every weight is read for every token: bytes of the file, of which the table of tokens is the head too. */
function bandwidth(path: string, { milliseconds }: Side): Row {
  const share = statSync(path).size / 1e9 / (milliseconds / 1000)
  const most = memoryBandwidth()
  return atLeast('Q8_0: bytes a second of decoding, as a share of what memory gives', share / most, 0.6, {
    note: `${share.toFixed(1)} of ${most.toFixed(1)} GB/s, by copies of 128 MiB, which read and write`,
  })
}
