/** Every row x every sample x every device, against the reference interpreter: values and, where rows have them, gradients. */
import { afterAll, describe, expect, it } from 'vitest'
import { referenceDevice } from '../device/reference/device.js'
import { resolveDevice } from '../device/registry.js'
import { opTable } from '../ops/table.js'
import { checkSample } from './conformance.js'

const reference = referenceDevice()
const cpu = await resolveDevice('cpu')
afterAll(() => cpu.dispose())

const rows = [...opTable.values()].filter((row) => row.samples.length > 0)

describe.each(rows.map((row) => [row.name, row] as const))('%s', (_, row) => {
  describe.each(row.samples.map((sample) => [sample.name, sample] as const))('%s', (__, sample) => {
    it('cpu', async () => expect(await checkSample(row, sample, cpu)).toEqual([]))
    if (row.kind === 'composite') {
      it('cpu, decomposed', async () => expect(await checkSample(row, sample, cpu, { decomposeAll: true })).toEqual([]))
      it('reference, decomposed', async () => expect(await checkSample(row, sample, reference, { decomposeAll: true })).toEqual([]))
    }
  })
})
