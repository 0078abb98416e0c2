// Bar 4, second part: jax-js, on the fastest of its backends in Node. Times include reading the result back.
import { join } from 'node:path'
import { atLeast, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'
import type { ContestName } from '../contests/contest.js'
import { Stepper } from '../../lib/stepper.js'

interface Bar {
  readonly contest: ContestName
  readonly title: string
  readonly target: number
  /** How far results may lie apart: that the same thing is measured, not just something as long. */
  readonly tolerance: number
}

const bars: readonly Bar[] = [
  { contest: 'matmul512', title: 'f32 matmul 512³', target: 4, tolerance: 1e-2 },
  { contest: 'matmul1024', title: 'f32 matmul 1024³', target: 4, tolerance: 1e-2 },
  { contest: 'softmax', title: 'softmax 1024x1024', target: 2, tolerance: 1e-5 },
  { contest: 'layerNorm', title: 'layer norm 1024x1024 with weight and bias', target: 2, tolerance: 1e-3 },
  { contest: 'mlp', title: 'training step of a 2-layer MLP', target: 2, tolerance: 1e-4 },
]
const turns = 10
const runsPerTurn = 8
const main = join(import.meta.dirname, '../contests/main.ts')

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  for (const bar of bars) rows.push(await compare(bar, log))
  return rows
}
export default source

async function compare({ contest, title, target, tolerance }: Bar, log: (line: string) => void): Promise<Row> {
  const figure = `${title}, times as fast as jax-js`
  const start = (side: string): Stepper => new Stepper(process.execPath, [...process.execArgv, main, side, contest])
  const [own, other] = [start('tesserae'), start('jax-js')]
  try {
    await own.ready()
    await other.ready()
    const worst = Math.max(...own.sample.map((value, i) => Math.abs(value - other.sample[i]!)))
    if (own.sample.length !== other.sample.length || !(worst <= tolerance))
      return unavailable(figure, `≥ ${target}`, `the two results differ by ${worst}`)
    for (let turn = 0; turn < turns; turn++) for (const side of turn % 2 === 0 ? [own, other] : [other, own]) await side.steps(runsPerTurn)
    const [mine, theirs] = [median(own.milliseconds), median(other.milliseconds)]
    log(`${title}: ${mine.toFixed(2)} ms, jax-js ${theirs.toFixed(2)} ms`)
    return atLeast(figure, theirs / mine, target, {
      note: `${mine.toFixed(2)} against ${theirs.toFixed(2)} ms (${other.runtime}), readback included; medians of ${turns} alternating turns of ${runsPerTurn}`,
    })
  } catch (error) {
    return unavailable(figure, `≥ ${target}`, error)
  } finally {
    own.end()
    other.end()
  }
}
