// Bar 3: decoding beside @huggingface/transformers in Node (onnxruntime-node) on the same weights, in the types that people run, two threads each, in turns.
import { atLeast, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { realModel } from '../models.js'
import { onnxOf, transformersFolder, TRANSFORMERS_JS } from '../peers/transformers-js.js'
import { randomGpt2 } from '../speed/gpt2.js'
import { inTurns, type Side } from '../speed/turns.js'

const target = 1.5
const context = 128
const kinds = [
  { ours: 'q8', theirs: 'q8', gated: true, what: 'its q8 is dynamic int8 (MatMulInteger), ours blocks of 32 with a scale each' },
  { ours: 'q4', theirs: 'q4', gated: true, what: 'both in blocks of 32 with a scale each (MatMulNBits there)' },
  { ours: 'f32', theirs: 'fp32', gated: false, what: 'f32' },
] as const

const source: RowSource = async ({ log }) => {
  const models = [
    { name: 'SmolLM2-135M', file: async () => realModel('SmolLM2-135M-Instruct.Q4_1.gguf') },
    { name: "GPT-2's shape", file: randomGpt2 },
  ]
  const rows: Row[] = []
  for (const { name, file } of models) {
    try {
      const path = await file()
      const folder = transformersFolder()
      const onnx = await onnxOf(path)
      for (const { ours: dtype, theirs, gated, what } of kinds) {
        const peer = { file: 'transformers-js.ts', path: onnx, more: [folder, theirs] } as const
        const sides = await inTurns({ path, dtype, what: 'decode', context, peer, rounds: 6, steps: 12 })
        const perSecond = ({ milliseconds }: Side): string => (1000 / milliseconds).toFixed(1)
        const note = `${perSecond(sides.ours)} and ${perSecond(sides.theirs)} tokens/s behind ${context} tokens, ${sides.ours.peakMiB.toFixed(0)} and ${sides.theirs.peakMiB.toFixed(0)} MiB at the peak; ${what}; ${TRANSFORMERS_JS}`
        const figure = `${name}, ${dtype}: decoding, times @huggingface/transformers`
        const ratio = sides.theirs.milliseconds / sides.ours.milliseconds
        log(`${figure}: ${ratio.toFixed(2)}; ${note}`)
        rows.push(gated ? atLeast(figure, ratio, target, { note }) : row(figure, 'reported', ratio.toFixed(2), true, note))
      }
    } catch (error) {
      rows.push(unavailable(`${name}: decoding, times @huggingface/transformers`, `≥ ${target}`, error))
    }
  }
  return rows
}
export default source
