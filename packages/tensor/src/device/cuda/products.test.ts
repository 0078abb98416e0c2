/** The edges of kernels as cut for graphics processors; threads in random order, races and unwritten memory reported. */
import { afterAll, describe, expect, it } from 'vitest'
import { opTable } from '../../ops/table.js'
import { checkSample } from '../../testing/conformance.js'
import { kernelEdges } from '../../testing/kernel-edges.js'
import { lineEdges } from '../../testing/line-edges.js'
import { memoryEdges } from '../../testing/memory-edges.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'

const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
afterAll(() => device.dispose())

// The others have files of their own. Every second, for the sake of time: acceptance row cuda-operations goes through all.
const edges = kernelEdges.filter((edge) => !lineEdges.includes(edge) && !memoryEdges.includes(edge)).filter((_, i) => i % 2 === 0)
it.each(edges.map((edge) => [edge.name, edge] as const))('%s', async (_, { check }) => {
  expect(await check(device)).toBeUndefined()
})

describe('quantised products', () => {
  const row = opTable.get('qmatmul')!
  it.each(row.samples.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
    expect(await checkSample(row, sample, device)).toEqual([])
  })
})
