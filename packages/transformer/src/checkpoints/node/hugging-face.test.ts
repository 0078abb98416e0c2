import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createModel } from '../../generate/model.js'
import { readHuggingFaceConfig } from '../hugging-face.js'
import { loadCheckpoint, saveModel } from './model.js'

const folder = fileURLToPath(new URL('../__fixtures__/', import.meta.url))

interface Answers {
  readonly prompt: readonly number[]
  readonly greedy: readonly number[]
  readonly rows: readonly number[]
  readonly logits: readonly (readonly number[])[]
  /** Logits behind the prompt and all that followed it. */
  readonly last: readonly number[]
}
const { models } = JSON.parse(readFileSync(join(folder, 'answers.json'), 'utf8')) as { models: Record<string, Answers> }

const furthest = (ours: Float32Array, theirs: readonly number[]): number =>
  Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!)))

describe.each(Object.entries(models))('%s, as transformers has it', (name, { prompt, greedy, rows, logits, last }) => {
  it('gives its logits, and its tokens with a cache and without', async () => {
    using model = await createModel(await loadCheckpoint(join(folder, name)))
    const size = model.config.vocabSize
    const all = await model.logits([...prompt, ...greedy])
    rows.forEach((row, i) => expect(furthest(all.subarray(row * size, (row + 1) * size), logits[i]!)).toBeLessThan(1e-4))
    expect(furthest(all.subarray((prompt.length + greedy.length - 1) * size), last)).toBeLessThan(1e-4)
    for (const useCache of [true, false]) {
      const { ids } = await model.generate(prompt, { maxTokens: greedy.length, useCache })
      expect(ids).toEqual(greedy)
    }
  })
})

it('is written and read again as our own', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-'))
  try {
    for (const name of ['llama-3.1-f32', 'qwen2-f32', 'qwen3-f32']) {
      const before = await loadCheckpoint(join(folder, name))
      await saveModel(join(scratch, name), before)
      const after = await loadCheckpoint(join(scratch, name))
      expect(after.config).toEqual(before.config)
      using model = await createModel(after)
      const { prompt, logits, rows } = models[name]!
      const all = await model.logits(prompt)
      expect(furthest(all.subarray(rows.at(-1)! * model.config.vocabSize), logits.at(-1)!)).toBeLessThan(1e-4)
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
})

describe('what is not computed is refused by name', () => {
  const llama = JSON.parse(readFileSync(join(folder, 'llama-f32/config.json'), 'utf8')) as Record<string, unknown>
  it.each<readonly [Record<string, unknown>, string]>([
    [{ model_type: 'mamba' }, 'x: model_type is "mamba"; expected one of llama, mistral, qwen2, qwen3, gemma, gemma2'],
    [{ hidden_act: 'relu' }, 'x: hidden_act is "relu"; expected "silu"'],
    [{ attention_bias: true }, 'x: attention_bias is true; expected false'],
    [{ quantization_config: { quant_method: 'gptq' } }, 'x: its weights are quantised'],
    [
      { rope_parameters: { rope_type: 'dynamic', factor: 4 } },
      'x: rope_parameters: rope_type is "dynamic"; expected "default", "linear", "llama3", "yarn" or "longrope"',
    ],
    [{ rope_parameters: { rope_type: 'yarn', factor: 4, mscale: 0.7 } }, 'x: rope_parameters: mscale is 0.7; expected'],
    [{ rope_parameters: { rope_type: 'longrope', short_factor: 4 } }, 'x: rope_parameters: short_factor is 4; expected a list of numbers'],
    [{ num_hidden_layers: 1e9 }, 'x: num_hidden_layers is 1000000000; expected an integer from 1 to 4096'],
    [{ rope_parameters: { rope_type: 'llama3', factor: 4 } }, 'x: rope_parameters: low_freq_factor is nothing; expected a number'],
    [{ hidden_size: '16' }, 'x: hidden_size is "16"; expected a number'],
    [{ vocab_size: 1e12 }, 'config.vocabSize is 1000000000000; expected an integer from 1'],
    [{ num_key_value_heads: 3 }, 'a divisor of heads'],
    [{ rope_parameters: { rope_type: 'linear', factor: 0 } }, 'config.ropeScaling is an object; expected'],
  ])('%j', (change, message) => {
    expect(() => readHuggingFaceConfig({ ...llama, ...change }, 'x')).toThrow(message)
  })

  it('weights of another configuration', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'tesserae-'))
    try {
      cpSync(join(folder, 'llama-f32'), scratch, { recursive: true })
      writeFileSync(join(scratch, 'config.json'), JSON.stringify({ ...llama, model_type: 'qwen3' }))
      await expect(loadCheckpoint(scratch)).rejects.toThrow("tensor 'model.layers.0.self_attn.q_norm.weight' [4] is missing")
      writeFileSync(join(scratch, 'config.json'), JSON.stringify({ ...llama, num_hidden_layers: 1 }))
      await expect(loadCheckpoint(scratch)).rejects.toThrow(
        "tensor 'model.layers.1.input_layernorm.weight' is not part of its configuration",
      )
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  })
})
