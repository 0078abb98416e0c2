import { describe, expect, it } from 'vitest'
import { launchers, runRanks } from '../../../../tensor/src/parallel/testing/mpirun.js'
import type { TrainingReport } from '../../testing/training-rank.js'

const program = new URL('../../testing/training-rank.ts', import.meta.url)

describe.each(launchers())('training on two processes of $name', (launcher) => {
  it('gives the weights of one process', async ({ skip }) => {
    skip(launcher.command === undefined, launcher.missing)
    const { reports, output } = await runRanks<TrainingReport>(launcher, program, { ranks: 2, args: ['8', 'well'] })
    const [zero, one] = reports
    expect(zero?.difference, output).toBeLessThanOrEqual(1e-6)
    expect(zero!.accumulated).toBeLessThanOrEqual(1e-6)
    expect(one).toMatchObject({ losses: zero!.losses, tokens: 8 * 2 * 4 * 32 })
    expect(zero!.losses[7]).toBeLessThan(zero!.losses[0]!)
  })

  it('ends with an error that names a rank that was killed', async ({ skip }) => {
    skip(launcher.command === undefined, launcher.missing)
    const { reports, output } = await runRanks<TrainingReport>(launcher, program, {
      ranks: 2,
      args: ['1000', 'killed'],
      survive: true,
      until: 0,
    })
    expect(reports[0]?.failure, output).toMatchObject({ code: 'PEER', ranks: [1], message: expect.stringContaining('rank 1 is gone') })
    expect(reports[0]!.losses).toHaveLength(2)
    expect(reports[1]).toBeUndefined()
  })
})
