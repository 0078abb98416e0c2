// Bar 1: the losses against the reference libraries' figures, and derivatives against difference quotients. A group that does not tell a formula with one
// thing wrong in it from the right one is not met.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { referenceDevice, resolveDevice } from '@tesserae/tensor'
import { gradientCases, gradientError } from '../../../../packages/rlhf/src/testing/gradients.ts'
import { parityError, parityGroups, type ParityContext, type ParityGroup } from '../../../../packages/rlhf/src/testing/parity.ts'
import { PeerUnavailable } from '../../lib/peers.js'
import { row, type Row, type RowSource } from '../../lib/row.js'

const source: RowSource = async () => {
  const fixture = readFixture()
  const contexts: readonly ParityContext[] = [
    { fixture, dtype: 'f64', device: referenceDevice() },
    { fixture, dtype: 'f32', device: await resolveDevice('cpu') },
  ]
  const rows: Row[] = []
  for (const context of contexts) for (const group of parityGroups) rows.push(await agreement(group, context))
  for (const one of gradientCases) {
    const { error, at } = await gradientError(one)
    rows.push(
      row(`gradient of ${one.name} against finite differences, f64`, '≤ 1e-7', error.toExponential(1), error <= 1e-7, `worst at ${at}`),
    )
  }
  return rows
}
export default source

async function agreement(group: ParityGroup, context: ParityContext): Promise<Row> {
  const limit = group.tolerance[context.dtype]
  const { error, figure } = parityError(await group.compute(context))
  const wrong = parityError(await group.compute(context, { mutated: true })).error
  return row(
    `${group.name} against TRL and torch, ${context.dtype}`,
    `≤ ${limit.toExponential()}, mutated above ${(10 * limit).toExponential(0)}`,
    `${error.toExponential(1)}, mutated ${wrong.toExponential(1)}`,
    error <= limit && wrong > 10 * limit,
    `worst: ${figure}; relative to the largest value; mutation: ${group.mutation}`,
  )
}

function readFixture(): ParityContext['fixture'] {
  const path = process.env['TESSERAE_PARITY'] ?? join(import.meta.dirname, '../../../../../shared/parity/rlhf-losses.json')
  if (!existsSync(path)) throw new PeerUnavailable(`${path} is not there; set TESSERAE_PARITY to the file of reference figures`)
  return JSON.parse(readFileSync(path, 'utf8')) as ParityContext['fixture']
}
