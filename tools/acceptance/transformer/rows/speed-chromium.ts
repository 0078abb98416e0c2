// Bar 3: decoding in Chromium, two threads, beside @wllama/wllama on the same GGUF file and transformers.js (wasm) on the same weights, in turns; each in a browser of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantizeGguf } from '@tesserae/transformer/node'
import { atLeast, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'
import type { Runtime } from '../chromium/page/protocol.js'
import { openPages, type OpenPage, type Pages } from '../chromium/run.js'
import { realModel } from '../models.js'
import { onnxOf, transformersFolder, TRANSFORMERS_JS } from '../peers/transformers-js.js'
import { WLLAMA, wllamaFolder } from '../peers/wllama.js'

const figure = 'decoding in Chromium'
const prompt = 'The history of the lighthouse begins long before the first stone was laid. Fishermen of the bay had always'
const rounds = 4
const tokens = 16

const source: RowSource = async ({ log }) => {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-chromium-'))
  try {
    const path = realModel('SmolLM2-135M-Instruct.Q4_1.gguf')
    const q8 = join(scratch, 'SmolLM2-135M-Instruct.Q8_0.gguf')
    await quantizeGguf(path, q8, { type: 'q8_0', requantize: true })
    const rows: Row[] = []
    for (const [type, file, dtype] of [
      ['Q8_0', q8, 'q8'],
      ['Q4_1', path, 'q4'],
    ] as const)
      rows.push(...(await compared(type, file, dtype, log)))
    return rows
  } catch (error) {
    return unavailable(figure, '≥ 0.8 times wllama, ≥ 1.2 times transformers.js', error)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
export default source

async function compared(type: string, file: string, dtype: string, log: (line: string) => void): Promise<Row[]> {
  const transformers = transformersFolder()
  await using pages = await openPages({
    '/wllama/': join(wllamaFolder(), 'node_modules/@wllama/wllama'),
    '/transformers/': join(transformers, 'node_modules/@huggingface/transformers'),
    '/onnxruntime-web/': join(transformers, 'node_modules/onnxruntime-web/dist'),
  })
  const open = (runtime: Runtime, model: string): ReturnType<Pages['open']> =>
    pages.open({ runtime, model, threads: 2, prompt, ...(runtime === 'transformers.js' ? { dtype } : {}) })
  const contestants = new Map<Runtime, OpenPage>()
  const missing = new Map<Runtime, unknown>()
  for (const [runtime, model] of [
    ['ours', async () => file],
    ['wllama', async () => file],
    ['transformers.js', () => onnxOf(realModel('SmolLM2-135M-Instruct.Q4_1.gguf'))],
  ] as const)
    try {
      contestants.set(runtime, await open(runtime, await model()))
    } catch (error) {
      if (runtime === 'ours') throw error
      missing.set(runtime, error)
    }
  const times = new Map<Runtime, number[]>(Array.from(contestants.keys(), (runtime) => [runtime, []]))
  for (let round = -1; round < rounds; round++)
    for (const [runtime, page] of round % 2 === 0 ? contestants : [...contestants].toReversed()) {
      const turn = await page.turn(round < 0 ? 4 : tokens)
      if (round >= 0) times.get(runtime)!.push(turn.milliseconds / turn.tokens)
    }
  const rows: Row[] = []
  const described: string[] = []
  for (const [runtime, page] of contestants) {
    const token = median(times.get(runtime)!)
    const peak = await page.peakMiB()
    const text = `${(1000 / token).toFixed(1)} tokens/s, loaded in ${(page.loaded.milliseconds / 1000).toFixed(1)} s, ${peak === undefined ? 'peak not known' : `${peak.toFixed(0)} MiB at the peak, the browser's own processes included`} (${page.loaded.description})`
    log(`${type}: ${text}`)
    described.push(text)
  }
  const ours = median(times.get('ours')!)
  for (const [runtime, limit, label] of [
    ['wllama', 0.8, WLLAMA],
    ['transformers.js', 1.2, `${TRANSFORMERS_JS} (wasm, ${dtype})`],
  ] as const) {
    const name = `${type} in Chromium: decoding, times ${label}`
    const theirs = times.get(runtime)
    const reason = missing.get(runtime)
    if (theirs === undefined) rows.push(unavailable(name, `≥ ${limit}`, reason))
    else rows.push(atLeast(name, median(theirs) / ours, limit, { note: `SmolLM2-135M, medians of ${rounds} turns of ${tokens} tokens` }))
  }
  rows.push(row(`${type} in Chromium: speed, load time and memory`, 'reported', described[0]!, true, described.slice(1).join('; ')))
  return rows
}
