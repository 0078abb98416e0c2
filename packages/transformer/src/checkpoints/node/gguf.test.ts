import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openGguf, type GgufFile, type GgufValue } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { readGgufModel } from '../gguf.js'
import { answersOf, checkpointNames, fixtures, greedyOf, logitsApart, parityModel } from '../testing/parity.js'
import { loadCheckpoint } from './model.js'

describe.each(checkpointNames.filter((name) => name.endsWith('-f32')).map((name) => name.replace(/-f32$/, '.gguf')))('%s', (name) => {
  it('gives the logits and tokens that it gives from safetensors', async () => {
    using model = await parityModel(await loadCheckpoint(join(fixtures, name)))
    const answers = answersOf(name)
    expect(await logitsApart(model, answers)).toBeLessThan(1e-4)
    expect(await greedyOf(model, answers, true)).toEqual(answers.greedy)
  })
})

describe('what is not computed is refused by name', () => {
  const withKeys = async (change: Readonly<Record<string, GgufValue | undefined>>): Promise<unknown> => {
    const file = await openGguf(new Uint8Array(readFileSync(join(fixtures, 'llama.gguf'))))
    const metadata = new Map(file.metadata)
    for (const [key, value] of Object.entries(change))
      if (value === undefined) metadata.delete(key)
      else metadata.set(key, value)
    const changed: GgufFile = { ...file, metadata }
    return readGgufModel(changed, 'x').then(
      () => 'none',
      (error: unknown) => (error as Error).message,
    )
  }
  it.each<readonly [Readonly<Record<string, GgufValue | undefined>>, string]>([
    [
      { 'general.architecture': 'mamba' },
      'x: general.architecture is "mamba"; expected one of llama, qwen2, qwen3, gemma, gemma2, gemma3, phi3',
    ],
    [{ 'general.architecture': undefined }, 'x: general.architecture is nothing; expected a text'],
    [{ 'llama.block_count': undefined }, 'x: llama.block_count is nothing; expected a number'],
    [{ 'llama.block_count': 3 }, "tensor 'blk.2.attn_norm.weight' [16] is missing"],
    [{ 'llama.expert_count': 8 }, 'x: llama.expert_used_count is nothing; expected a number'],
    [{ 'llama.rope.scaling.type': 'su' }, 'x: llama.rope.scaling.type is "su"; expected "none" or "linear" or "yarn"'],
    [{ 'llama.rope.dimension_count': 6 }, 'config.rotaryWidth is 6; expected an even number from 2 to headWidth (4)'],
    [{ 'llama.embedding_length': 2 ** 40 }, 'config.width is 1099511627776'],
    [{ 'llama.attention.head_count': Int32Array.of(4, 4) }, 'x: llama.attention.head_count is a list of numbers; expected a number'],
  ])('%j', async (change, message) => {
    expect(await withKeys(change)).toContain(message)
  })
})
