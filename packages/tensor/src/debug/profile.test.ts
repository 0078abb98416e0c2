import { describe, expect, it } from 'vitest'
import { activeProfile } from './profile-sink.js'
import { profile } from './profile.js'

describe('the table of a profile', () => {
  it('counts names that follow each other, and cuts what no terminal holds', async () => {
    const report = await profile(async () => {
      const sink = activeProfile()!
      sink({ name: `${'reduceSum_'.repeat(16)}add`, detail: '', ms: 3 })
      sink({ name: Array.from({ length: 30 }, (_, i) => `op${i}`).join('_'), detail: '', ms: 1 })
    })
    const [head, first, second] = report.toString().split('\n') as [string, string, string]
    expect(first).toMatch(/^reduceSum×16_add +1 +3\.000 +75\.0 %$/)
    expect(second).toMatch(/^op0_op1_.*… +1 +1\.000 +25\.0 %$/)
    expect(new Set([head.length, first.length, second.length]).size).toBe(1)
    // What programs read is whole.
    expect(report.rows[0]!.op).toBe(`${'reduceSum_'.repeat(16)}add`)
  })
})
