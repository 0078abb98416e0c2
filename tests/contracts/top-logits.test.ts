/** What the tensor package finds on a device is what a sampler chooses from in place of all logits. */
import { random } from '@tesserae/core'
import { samplerFromPreset, type Sampler } from '@tesserae/sampling'
import { referenceDevice, tensor } from '@tesserae/tensor'
import { expect, it } from 'vitest'

const VOCABULARY = 1500

it('top-k on a device gives the ids that all logits give', async () => {
  const device = referenceDevice()
  const stream = random('logits')
  const chains: Record<string, () => Sampler> = {
    llamacpp: () => samplerFromPreset('llamacpp', { seed: 3, repeatPenalty: 1.1 }),
    // Temperature comes first there.
    hf: () => samplerFromPreset('hf', { seed: 3, temperature: 0.7, topK: 50, topP: 0.9 }),
  }
  for (const [name, make] of Object.entries(chains)) {
    const [all, top] = [make(), make()]
    const count = top.topCount()!
    let told = 0
    for (let turn = 0; turn < 40; turn++) {
      // Coarse ones have equals at the border now and then, some of them exclude a token.
      const grid = turn % 2 === 0 ? 2 ** 20 : 8
      const values = Float32Array.from({ length: VOCABULARY }, () =>
        stream.uniform() < 0.1 ? -Infinity : Math.round(stream.normal() * 3 * grid) / grid,
      )
      using logits = await tensor(values).realize({ device })
      const found = logits.topK(count)
      using highest = found.values
      using places = found.indices
      const list = { ids: (await places.data()) as Int32Array, logits: (await highest.data()) as Float32Array, vocabulary: VOCABULARY }
      const id = top.chooseTop(list)
      if (id !== undefined) told++
      const expected = all.choose(values)
      expect(id ?? top.choose(values), `${name} ${turn}`).toBe(expected)
      for (const one of [all, top]) one.accept(expected)
    }
    expect(told, name).toBeGreaterThanOrEqual(20)
  }
})
