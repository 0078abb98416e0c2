/** The edges of what is bound by memory, as cut for graphics processors; threads in random order, races and unwritten memory reported. */
import { afterAll, expect, it } from 'vitest'
import { memoryEdges } from '../../testing/memory-edges.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'

const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
afterAll(() => device.dispose())

// Every second, for the sake of time: acceptance row cuda-operations goes through all.
const edges = memoryEdges.filter((_, i) => i % 2 === 0)
it.each(edges.map((edge) => [edge.name, edge] as const))('%s', async (_, { check }) => {
  expect(await check(device)).toBeUndefined()
})
