// Our side of the step benchmark, speaking the lines of JSON that ../peers/nanogpt.py describes: a number asks for so many steps.
import { createInterface } from 'node:readline'
import { resolveDevice } from '@tesserae/tensor'
import { countParameters } from '@tesserae/transformer'
import { shakespeare, startTraining } from './recipe.js'
import { peakMiB } from '../../lib/peak.js'

const say = (message: object): void => console.log(JSON.stringify({ ...message, peakMiB: peakMiB() }))

const data = shakespeare()
const run = startTraining(data, 1)

async function advance(count: number): Promise<{ milliseconds: number[]; loss: number }> {
  const milliseconds: number[] = []
  for await (const { seconds, loss } of run) {
    milliseconds.push(1000 * seconds)
    if (milliseconds.length === count) return { milliseconds, loss }
  }
  throw new Error('the recipe has no steps left')
}

await advance(10)
say({ ready: true, runtime: (await resolveDevice('cpu')).description, parameters: countParameters(data.config).total })
for await (const line of createInterface({ input: process.stdin })) say(await advance(Number(line)))
process.exit(0)
