// Bar 2: nanoGPT's CPU recipe reaches its loss, and a step is faster than the same step in PyTorch.
import { join } from 'node:path'
import { evaluate } from '@tesserae/transformer'
import { dataFile } from '../../lib/data.js'
import { pythonWith } from '../../lib/peers.js'
import { atLeast, atMost, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'
import { shakespeare, startTraining, steps } from '../shakespeare/recipe.js'
import { Stepper } from '../../lib/stepper.js'

const seeds = [1, 2, 3]
const rounds = 8
const stepsPerTurn = 25
const threads = 2

const source: RowSource = async ({ log }) => [await speed(log), await loss(log)]
export default source

// PyTorch by the same recipe and the same measure (`peers/nanogpt.py DATA loss 2 SEED`) gave 1.9055, 1.9102, 1.9088 and 1.9034.
async function loss(log: (line: string) => void): Promise<Row> {
  const data = shakespeare()
  const losses: number[] = []
  const times: number[] = []
  for (const seed of seeds) {
    using run = startTraining(data, seed)
    const start = performance.now()
    for await (const event of run)
      if (event.step % 500 === 0) log(`seed ${seed}, step ${event.step} of ${steps}: training loss ${event.loss.toFixed(3)}`)
    times.push((performance.now() - start) / 1000)
    losses.push((await evaluate(run.weights, data.validation, { config: data.config })).loss)
    log(`seed ${seed}: validation loss ${losses.at(-1)!.toFixed(4)} after ${times.at(-1)!.toFixed(0)} s`)
  }
  const mean = losses.reduce((a, b) => a + b, 0) / losses.length
  return atMost("tiny Shakespeare, nanoGPT's CPU recipe: validation loss, mean of 3 seeds", mean, 1.9, {
    digits: 4,
    note: `${losses.map((value) => value.toFixed(4)).join(', ')} over the whole validation part; ${times.map((value) => value.toFixed(0)).join(', ')} s`,
  })
}

async function speed(log: (line: string) => void): Promise<Row> {
  const figure = 'training step of that model, times as fast as pip torch'
  const steppers: Stepper[] = []
  try {
    // A development machine may have an environment with torch already.
    const python = process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('torch', ['torch==2.15.0', 'numpy'])
    const peer = (mode: string): Stepper =>
      new Stepper(python, [join(import.meta.dirname, '../peers/nanogpt.py'), dataFile('tinyshakespeare.txt'), mode, String(threads)])
    const ours = new Stepper(process.execPath, [...process.execArgv, join(import.meta.dirname, '../shakespeare/steps.ts')])
    steppers.push(ours, peer('eager'), peer('compile'))
    // One after another: compiling needs both cores.
    for (const stepper of steppers) await stepper.ready()
    for (let round = 0; round < rounds; round++)
      for (const stepper of round % 2 === 0 ? steppers : steppers.toReversed()) await stepper.steps(stepsPerTurn)
    const [own, eager, compiled] = steppers.map(({ milliseconds }) => median(milliseconds)) as [number, number, number]
    for (const stepper of steppers)
      log(
        `${stepper.runtime}: ${median(stepper.milliseconds).toFixed(2)} ms a step, peak ${stepper.peakMiB.toFixed(0)} MiB, ${stepper.parameters} parameters`,
      )
    return atLeast(figure, Math.min(eager, compiled) / own, 1.3, {
      note: `${steppers.map((stepper) => `${stepper.runtime}: ${median(stepper.milliseconds).toFixed(2)} ms, peak ${stepper.peakMiB.toFixed(0)} MiB`).join('; ')}. ${rounds} turns of ${stepsPerTurn} steps each, alternating`,
    })
  } catch (error) {
    return unavailable(figure, '≥ 1.3', error)
  } finally {
    for (const stepper of steppers) stepper.end()
  }
}
