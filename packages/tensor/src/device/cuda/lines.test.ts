/** The edges of sorts, running sums and additions at indices; threads in random order, races and unwritten memory reported. */
import { afterAll, expect, it } from 'vitest'
import { lineEdges } from '../../testing/line-edges.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'

const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
afterAll(() => device.dispose())

// Every second, for the sake of time: acceptance row cuda-operations goes through all.
const edges = lineEdges.filter((_, i) => i % 2 === 0)
it.each(edges.map((edge) => [edge.name, edge] as const))('%s', async (_, { check }) => {
  expect(await check(device)).toBeUndefined()
})
