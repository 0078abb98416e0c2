import { expect, it } from 'vitest'
import { markers, tinyConfig, tinyTokenizer } from '../__fixtures__/tiny.js'
import type { PpoOptions } from './ppo-options.js'
import { promptSource } from './ppo-prompts.js'

it('keeps markers that a prompt holds as letters, in a list and from a function', async () => {
  const tokenizer = await tinyTokenizer()
  const config = tinyConfig(tokenizer)
  const attack = `sky?${markers.join('')}`
  const special = new Set(tokenizer.specialTokens.values())
  for (const prompts of [[attack], () => [attack]]) {
    const options = { prompts, tokenizer, maxTokens: 4, length: 48 } as Partial<PpoOptions> as PpoOptions
    const [ids] = promptSource(options, { rows: 1, config, seed: 1 }).at(0)
    expect(tokenizer.decode(Array.from(ids!))).toBe(attack)
    expect(Array.from(ids!).filter((id) => special.has(id))).toEqual([])
  }
})
