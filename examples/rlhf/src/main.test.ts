import { expect, it } from 'vitest'
import { align } from './main.js'

it('fine-tunes and aligns a tiny model', async () => {
  const lines: string[] = []
  const { sft, reward, goodness, kl } = await align({ seed: 1, log: (line) => lines.push(line) })
  // The entropy of four letters and of where to stop; guessing among the vocabulary is 5.6.
  expect(sft.before).toBeGreaterThan(5)
  expect(sft.after).toBeLessThan(1.8)
  expect(reward.after).toBeGreaterThan(0.85)
  expect(reward.after).toBeGreaterThan(reward.before)
  expect(goodness.sft).toBeLessThan(0.4)
  expect(goodness.dpo).toBeGreaterThan(goodness.sft + 0.1)
  expect(goodness.ppo).toBeGreaterThan(goodness.sft + 0.1)
  expect(kl).toBeGreaterThan(0)
  expect(kl).toBeLessThan(20)
  expect(lines.at(-1)).toContain('share of the letter a')
}, 180_000)

it('stops when it is told to', async () => {
  await expect(align({ seed: 1, signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
})
