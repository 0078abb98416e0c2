/** Each block that products are cut into, also those that only large products get: threads in random order, races and unwritten memory reported. */
import { describe, expect, it } from 'vitest'
import { blockTiles, gpuTuning } from '../../kernel/lib/tuning.js'
import { kernelEdges } from '../../testing/kernel-edges.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'

const edges = kernelEdges.filter(({ name }) =>
  /^product of 33 rows, 9 steps|^sum of products, 40 rows$|^products in batches$|of halves, 9 rows$|40 rows with weights of 4 bits/.test(
    name,
  ),
)

describe.each(blockTiles.map((tile) => [`${tile.rows} by ${tile.columns}, ${JSON.stringify(tile.block)}`, tile] as const))(
  'tiles of %s',
  (_, tile) => {
    it('give products right to the edges', async () => {
      expect(edges).toHaveLength(9)
      const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }), { ...gpuTuning, tile: () => tile })
      try {
        for (const { name, check } of edges) expect([name, await check(device)]).toEqual([name, undefined])
      } finally {
        await device.dispose()
      }
    }, 60_000)
  },
)
