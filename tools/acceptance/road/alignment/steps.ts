// Our side of the alignment bars, speaking the lines of JSON that ../peers/alignment.py describes; it also describes the work. Argument: ppo | dpo.
import { createInterface } from 'node:readline'
import { random } from '@tesserae/core'
import { dpo, ppo, type RenderedPair } from '@tesserae/rlhf'
import { resolveDevice } from '@tesserae/tensor'
import { countParameters, gpt2, initWeights } from '@tesserae/transformer'
import { peakMiB } from '../../lib/peak.js'

const config = gpt2({ vocabSize: 512, width: 128, layers: 4, heads: 4, context: 64 })
const [promptLength, sampled] = [16, 48]
const draw = random(2).stream('words')
const words = (length: number): number[] => Array.from({ length }, () => draw.int(510))

function startPpo() {
  return ppo({
    policy: { config, weights: initWeights(config, { seed: 1 }) },
    reward: ({ completion }) => completion.filter((word) => word % 2 === 0).length / completion.length,
    prompts: Array.from({ length: 64 }, () => words(promptLength)),
    steps: 1e6,
    rows: 32,
    maxTokens: sampled,
    epochs: 4,
    minibatches: 4,
    learningRate: 1e-5,
    kl: 0.05,
    seed: 1,
    device: 'cpu',
  })
}

function startDpo() {
  const end = 511
  const data = Array.from({ length: 256 }, (): RenderedPair => {
    const prompt = words(promptLength)
    const answer = () => {
      const ids = Int32Array.from([...prompt, ...words(64 - promptLength - 1), end])
      return { ids, mask: Uint8Array.from(ids, (_, i) => (i < promptLength ? 0 : 1)) }
    }
    return { chosen: answer(), rejected: answer() }
  })
  return dpo({
    policy: { config, weights: initWeights(config, { seed: 1 }) },
    data,
    steps: 1e6,
    rows: 8,
    learningRate: 1e-6,
    seed: 1,
    device: 'cpu',
  })
}

const say = (message: object): void => console.log(JSON.stringify({ ...message, peakMiB: peakMiB() }))

const run: AsyncIterable<{ readonly seconds: number }> = process.argv[2] === 'dpo' ? startDpo() : startPpo()

async function advance(count: number): Promise<number[]> {
  const milliseconds: number[] = []
  for await (const { seconds } of run) {
    milliseconds.push(1000 * seconds)
    if (milliseconds.length === count) break
  }
  return milliseconds
}

await advance(3)
say({ ready: true, runtime: (await resolveDevice('cpu')).description, parameters: countParameters(config).total })
for await (const line of createInterface({ input: process.stdin })) say({ milliseconds: await advance(Number(line)) })
process.exit(0)
