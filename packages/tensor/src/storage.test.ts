import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { referenceDevice } from './device/reference/device.js'
import { tensor } from './create.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Collects garbage until a condition holds; finalisers run between turns of the event loop. */
async function collectUntil(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 50 && !holds(); i++) {
    collectGarbage()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('a graph keeps what it reads, whose handles are gone', async () => {
  const device = referenceDevice()
  const uploaded = async () => {
    const x = tensor([1, 2])
    await x.add(0).data({ device })
    return x.add(tensor([3, 4]))
  }
  const sum = await uploaded()
  let turns = 0
  await collectUntil(() => ++turns > 5)
  expect([...(await sum.data({ device }))]).toEqual([4, 6])
})

test('memory that nothing reaches is given back', async () => {
  const device = referenceDevice()
  // The first program compiled for a shape remembers its inputs; a later one of its kind does not.
  const first = tensor([[1, 2]])
  await first.neg().data({ device })
  const before = device.memory().liveBuffers
  await (async () => {
    for (let i = 0; i < 10; i++)
      await tensor([[i, 2]])
        .neg()
        .data({ device })
  })()
  await collectUntil(() => device.memory().liveBuffers <= before + 1)
  expect(device.memory().liveBuffers).toBeLessThanOrEqual(before + 1)
  expect([...(await first.data())]).toEqual([1, 2])
})
