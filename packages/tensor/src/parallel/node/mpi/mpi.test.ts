import { describe, expect, it } from 'vitest'
import type { MemberReport } from '../../testing/mpi-member.js'
import { launchers, runRanks } from '../../testing/mpirun.js'

const program = new URL('../../testing/mpi-member.ts', import.meta.url)

describe.each(launchers())('$name', (launcher) => {
  it('moves every type by every call, the event loop running on', async ({ skip }) => {
    skip(launcher.command === undefined, launcher.missing)
    const { reports, output } = await runRanks<MemberReport>(launcher, program, { ranks: 2, args: ['well'] })
    reports.forEach((report, rank) => {
      expect(report, output).toMatchObject({
        rank,
        size: 2,
        description: expect.stringMatching(launcher.name === 'Open MPI' ? /^2 processes, Open MPI v\d/ : /^2 processes, MPICH Version: \d/),
        sums: { f32: [2, 2e6, -1], f64: [2 ** -39, 1], i32: [-(2 ** 31), -9] },
        large: [3, 3],
        max: [1, 0],
        min: [0, -1],
        told: [1, 1, 1],
        gathered: [0, 0.5, 1, 1.5],
        bytes: [0, 200, 1, 200],
        part: [rank * 6, rank * 6 + 3],
        second: expect.stringContaining('this process has had a group already'),
      })
      expect(report!.turns).toBeGreaterThan(0)
    })
  })

  it.for([
    ['is killed', 'gone', /rank 1 is gone: .*the process has ended.* \(during call 13, allReduce sum f32 × 1000\)/],
    ['throws', 'gave-up', /rank 1 has left the group: RangeError: no more data/],
    ['is stopped', 'late', /call 13, allReduce sum f32 × 1000: rank 1 \(last seen at call 12\) did not come within 1 s/],
  ] as const)('names a rank that %s within the deadline', async ([fate, problem, message], { skip }) => {
    skip(launcher.command === undefined, launcher.missing)
    const { reports, output } = await runRanks<MemberReport>(launcher, program, {
      ranks: 2,
      args: [fate.replace('is ', '')],
      survive: true,
      until: 0,
    })
    expect(reports[0]?.failure, output).toMatchObject({ code: 'PEER', ranks: [1], problem, message: expect.stringMatching(message) })
    expect(reports[1]).toBeUndefined()
  })
})
