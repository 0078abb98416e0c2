// One side of a contest in a process of its own: a number on standard input asks for so many runs, answered by their milliseconds.
// In one process each side would pay for the other's garbage.
import { createInterface } from 'node:readline'
import type { ContestName } from './contest.js'
import { peakMiB } from '../../lib/peak.js'

const [side, contest] = process.argv.slice(2) as ['tesserae' | 'jax-js', ContestName]
const { runtime, works } =
  side === 'tesserae' ? await (await import('./tesserae.js')).tesserae() : await (await import('./jax-js.js')).jaxJs()
const say = (message: object): void => console.log(JSON.stringify({ ...message, peakMiB: peakMiB() }))

const work = works[contest]()
const sample = Array.from(await work()).slice(0, 2048)
for (let i = 0; i < 8; i++) await work()
say({ ready: true, runtime, sample })
for await (const line of createInterface({ input: process.stdin })) {
  const milliseconds: number[] = []
  for (let i = 0; i < Number(line); i++) {
    const start = performance.now()
    await work()
    milliseconds.push(performance.now() - start)
  }
  say({ milliseconds })
}
process.exit(0)
