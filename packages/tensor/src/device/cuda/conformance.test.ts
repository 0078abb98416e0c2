/** The first sample of every row, forward and backward, by the PTX that ships, run on the processor. The acceptance command goes through all of them, and PyTorch's values. */
import { afterAll, describe, expect, it } from 'vitest'
import { opTable } from '../../ops/table.js'
import { checkSample } from '../../testing/conformance.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'

// Threads in any order, and memory that nobody wrote is not read.
const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
afterAll(() => device.dispose())

const rows = [...opTable.values()].filter((row) => row.samples.length > 0)

describe('emulated CUDA', () => {
  it.each(rows.map((row) => [row.name, row] as const))('computes %s and its gradients', async (_, row) => {
    expect(await checkSample(row, row.samples[0]!, device)).toEqual([])
  })
  it('has been through many rows', () => expect(rows.length).toBeGreaterThan(60))
})
