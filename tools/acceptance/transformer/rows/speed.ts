// Bar 3: decoding, prompts and memory beside node-llama-cpp on the same GGUF files, two threads each, in turns; bytes a second of decoding beside what memory gives.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantizeGguf } from '@tesserae/transformer/node'
import { openGgufPath } from '@tesserae/tensor/node'
import { atLeast, atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { realModel } from '../models.js'
import { llamaFolder } from '../peers/llama-cpp.js'
import { memoryBandwidth } from '../speed/bandwidth.js'
import { inTurns, type Side } from '../speed/turns.js'

const figure = 'decoding beside node-llama-cpp'

const source: RowSource = async ({ log }) => {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-speed-'))
  try {
    const path = realModel('gemma-3-270m-q4_k_m.gguf')
    const folder = llamaFolder()
    const q8 = join(scratch, 'q8_0.gguf')
    await quantizeGguf(path, q8, { type: 'q8_0', requantize: true })
    const rows: Row[] = []
    for (const [name, file] of [
      ['Q4_K_M', path],
      ['Q8_0', q8],
    ] as const) {
      const types = await typesOf(file)
      const peaks: { ours: number; theirs: number } = { ours: 0, theirs: 0 }
      let token: Side | undefined
      for (const { what, context, rounds, steps, limit } of [
        { what: 'decode', context: 128, rounds: 8, steps: 12, limit: 1 },
        { what: 'decode', context: 2048, rounds: 8, steps: 12, limit: 1 },
        { what: 'prefill', context: 512, rounds: 6, steps: 1, limit: 0.8 },
      ] as const) {
        const { ours, theirs } = await inTurns({ path: file, what, context, folder, rounds, steps })
        peaks.ours = Math.max(peaks.ours, ours.peakMiB)
        peaks.theirs = Math.max(peaks.theirs, theirs.peakMiB)
        if (what === 'decode' && context === 128) token = ours
        const perSecond = ({ milliseconds }: Side): string => (((what === 'decode' ? 1 : context) * 1000) / milliseconds).toFixed(1)
        const text = `${perSecond(ours)} and ${perSecond(theirs)} tokens/s; ${types}`
        log(`${name}, ${what} at ${context}: ${text}`)
        rows.push(
          atLeast(
            what === 'decode'
              ? `${name}: decoding at ${context} tokens, times node-llama-cpp`
              : `${name}: prompt of ${context}, times node-llama-cpp`,
            theirs.milliseconds / ours.milliseconds,
            limit,
            { note: text },
          ),
        )
      }
      rows.push(
        atMost(`${name}: peak memory, times node-llama-cpp`, peaks.ours / peaks.theirs, 1.2, {
          note: `${peaks.ours.toFixed(0)} and ${peaks.theirs.toFixed(0)} MiB, Node and the compiler of TypeScript included`,
        }),
      )
      if (name === 'Q8_0') rows.push(bandwidth(file, token!))
    }
    rows.push(
      row(
        'decoding, times @huggingface/transformers on the same weights',
        '≥ 1.5',
        'not measured',
        false,
        'no ONNX file of these weights is made yet',
      ),
    )
    return rows
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

async function typesOf(path: string): Promise<string> {
  const file = await openGgufPath(path)
  const bytes = new Map<string, number>()
  for (const name of file.names) {
    const info = file.info(name)
    bytes.set(info.dtype, (bytes.get(info.dtype) ?? 0) + info.bytes)
  }
  await file.dispose()
  return [...bytes].map(([type, count]) => `${type} ${(count / 2 ** 20).toFixed(0)} MiB`).join(', ')
}
