// Trains a small text encoder by contrast and writes it with its card:
//
//   npx tsx --conditions=@tesserae/source tools/recipes/embedder/main.ts [--out folder] [--steps 200] [--seed 1]
//
// Half a minute on two quiet cores. The folder is what loadEncoder (Node) and readEncoder (a browser) read.
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { random } from '@tesserae/core'
import { defaultDevice } from '@tesserae/tensor'
import { trainBpe, type Tokenizer } from '@tesserae/tokenizer'
import {
  cosineSchedule,
  countParameters,
  createEncoder,
  evaluatePairs,
  hashedWords,
  initEncoderWeights,
  llama,
  textPairs,
  trainEncoder,
  type DecoderConfig,
  type DecoderWeights,
  type PairEvaluation,
} from '@tesserae/transformer'
import { saveEncoder } from '@tesserae/transformer/node'
import { cardText, percent, type Figures } from './card.js'
import { cranfieldPairs, mobyPairs, type Pair, type PairSet } from './pairs.js'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '.tesserae/embedder' },
    steps: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    data: { type: 'string', default: process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../../shared/data') },
  },
})
const steps = Number(values.steps)
const seed = Number(values.seed)
const rows = 64
const length = 48
const temperature = 0.05
const peak = 2e-3

const moby = mobyPairs({ seed })
const cranfield = cranfieldPairs(values.data, { seed })
const sets: PairSet[] = cranfield === undefined ? [moby] : [moby, cranfield]
console.log(`Runs on ${(await defaultDevice()).description}.`)
for (const { name, train, heldOut } of sets) console.log(`${name}: ${train.length} pairs to learn from, ${heldOut.length} held out`)
if (cranfield === undefined) console.log(`Cranfield is not in ${values.data}; going without it`)

const pairs = sets.flatMap(({ train }) => train)
const tokenizer = await trainBpe(
  pairs.map(([query, document]) => `${query} ${document}`),
  { vocabSize: 4096 },
)
const config = llama({ vocabSize: tokenizer.vocabSize, width: 128, layers: 1, heads: 4, hidden: 256, context: 128, tied: true })
console.log(`Encoder of ${countParameters(config).total.toLocaleString('en')} parameters, ${tokenizer.vocabSize} tokens`)

const weights = await initEncoderWeights(config, { seed })
const figures: Figures[] = []
for (const set of sets)
  figures.push({
    set: set.name,
    rows: [...baselines(set.heldOut), ['before training', await measured(config, weights, tokenizer, set.heldOut)]],
  })

const start = performance.now()
using run = trainEncoder({
  config,
  weights,
  data: textPairs(pairs, { tokenizer, rows, length, seed }),
  steps,
  temperature,
  learningRate: cosineSchedule({ peak, warmup: Math.floor(steps / 10), decay: steps }),
  seed,
})
for await (const { step, loss, accuracy } of run)
  if (step === 1 || step % 50 === 0)
    console.log(
      `step ${step} of ${steps}: loss ${loss.toFixed(3)}, partner found among ${rows}: ${percent(accuracy)}, ${seconds().toFixed(0)} s`,
    )
const trainingSeconds = seconds()

for (const [i, set] of sets.entries()) {
  const after = await measured(config, run.weights, tokenizer, set.heldOut)
  figures[i] = { ...figures[i]!, rows: [...figures[i]!.rows, ['trained', after]] }
  console.log(`\n${set.name}, ${after.queries} held-out queries among as many texts`)
  for (const [name, { recall, mrr }] of figures[i]!.rows)
    console.log(
      `  ${name.padEnd(20)} recall@1 ${percent(recall[1]!)}  @5 ${percent(recall[5]!)}  @10 ${percent(recall[10]!)}  MRR ${mrr.toFixed(3)}`,
    )
}

const out = resolve(values.out)
mkdirSync(out, { recursive: true })
await saveEncoder(out, { config, weights: run.weights, tokenizer })
const { total } = countParameters(config)
writeFileSync(
  join(out, 'MODEL-CARD.md'),
  cardText({ sets, figures, config, parameters: total, steps, rows, length, temperature, peak, seed, seconds: trainingSeconds }),
)
writeFileSync(join(out, 'figures.json'), `${JSON.stringify({ seconds: trainingSeconds, figures }, null, 2)}\n`)
const bytes = readdirSync(out).reduce((sum, name) => sum + statSync(join(out, name)).size, 0)
console.log(`\nWritten to ${out}: ${readdirSync(out).join(', ')} (${(bytes / 1e6).toFixed(1)} MB)`)

function seconds(): number {
  return (performance.now() - start) / 1000
}

function baselines(heldOut: readonly Pair[]): [string, PairEvaluation][] {
  const stream = random(seed).stream('baseline')
  const chance = (): Float32Array => Float32Array.from({ length: 128 }, () => stream.normal())
  return [
    ['random vectors', evaluatePairs(heldOut.map(chance), heldOut.map(chance))],
    [
      'hashed words',
      evaluatePairs(
        heldOut.map(([query]) => hashedWords(query)),
        heldOut.map(([, document]) => hashedWords(document)),
      ),
    ],
  ]
}

async function measured(of: DecoderConfig, by: DecoderWeights, words: Tokenizer, heldOut: readonly Pair[]): Promise<PairEvaluation> {
  using encoder = await createEncoder({ config: of, weights: by, tokenizer: words, borrowWeights: true })
  const queries = await encoder.embed(heldOut.map(([query]) => query))
  const documents = await encoder.embed(heldOut.map(([, document]) => document))
  return evaluatePairs(queries.vectors, documents.vectors)
}
