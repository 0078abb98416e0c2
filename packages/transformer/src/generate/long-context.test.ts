import { describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/node/model.js'
import { createModel } from './model.js'
import { apart, longAnswers, longFolder, longKinds, longText } from './testing/long-context.js'

// All of 131,072 tokens: `npm run acceptance -- transformer --only long-context`.
describe.each(longKinds)('a context stretched the way of %s', (kind) => {
  const ids = longText(5000)

  it("gives transformers' logits", async () => {
    const { logits } = longAnswers(kind)
    using model = await createModel({ ...(await loadCheckpoint(longFolder(kind))), capacity: 5120, device: 'cpu' })
    using row = model.open(ids.slice(0, 1000))
    expect(apart(await row.next(), logits[1000]!)).toBeLessThan(1e-4)
    row.ids.push(...ids.slice(1000))
    expect(apart(await row.next(), logits[5000]!)).toBeLessThan(1e-4)
  })

  it('is another model without it', async () => {
    const { config, weights } = await loadCheckpoint(longFolder(kind))
    const { ropeScaling: _, ...plain } = config
    using model = await createModel({ config: plain, weights, capacity: 1024, device: 'cpu' })
    using row = model.open(ids.slice(0, 1000))
    expect(apart(await row.next(), longAnswers(kind).logits[1000]!)).toBeGreaterThan(0.01)
  })
})
