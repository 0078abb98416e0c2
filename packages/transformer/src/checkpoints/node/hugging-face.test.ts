import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { disposeWeights } from '../../architectures/weights.js'
import { readHuggingFaceConfig } from '../hugging-face.js'
import { answersOf, batchOf, cacheError, checkpointNames, fixtures, greedyOf, logitsApart, parityModel } from '../testing/parity.js'
import { loadCheckpoint, saveModel } from './model.js'

describe.each(checkpointNames)('%s, as transformers has it', (name) => {
  it('gives its logits, and its tokens with a cache, without and side by side', async () => {
    using model = await parityModel(await loadCheckpoint(join(fixtures, name)))
    const answers = answersOf(name)
    expect(await logitsApart(model, answers)).toBeLessThan(1e-4)
    expect(await greedyOf(model, answers, true)).toEqual(answers.greedy)
    // How a file's numbers are read makes no difference to the rest.
    if (!name.endsWith('-f32')) return
    expect(await greedyOf(model, answers, false)).toEqual(answers.greedy)
    expect(await batchOf(model, answers)).toEqual(answers.batch.greedy)
  })
})

it.each(checkpointNames.filter((one) => one.endsWith('-f32')))('%s says the same with keys and values in f16', async (name) => {
  const loaded = await loadCheckpoint(join(fixtures, name))
  using model = await parityModel({ ...loaded, cacheType: 'f16' })
  expect(await greedyOf(model, answersOf(name), true)).toEqual(answersOf(name).greedy)
})

it.each(checkpointNames.filter((one) => one.endsWith('-f32')))('%s gives its logits with keys and values in 8 and 4 bits', async (name) => {
  const loaded = await loadCheckpoint(join(fixtures, name))
  const open = (cacheType: 'q8' | 'q4') => parityModel({ ...loaded, cacheType, borrowWeights: true })
  try {
    if (loaded.config.headWidth % 8 !== 0) return await expect(open('q8')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    using eight = await open('q8')
    using four = await open('q4')
    // Where weights are random an expert may be chosen that was not.
    const wide = loaded.config.mixture === undefined ? 1 : 4
    expect(await cacheError(eight, answersOf(name))).toBeLessThan(0.03 * wide)
    expect(await cacheError(four, answersOf(name))).toBeLessThan(0.4 * wide)
  } finally {
    disposeWeights(loaded.weights)
  }
})

it('is written and read again as our own', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-'))
  try {
    for (const name of checkpointNames.filter((one) => one.endsWith('-f32'))) {
      const before = await loadCheckpoint(join(fixtures, name))
      await saveModel(join(scratch, name), before)
      const after = await loadCheckpoint(join(scratch, name))
      expect(after.config).toEqual(before.config)
      using model = await parityModel(after)
      expect(await logitsApart(model, answersOf(name))).toBeLessThan(1e-4)
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
})

describe('what is not computed is refused by name', () => {
  const llama = JSON.parse(readFileSync(join(fixtures, 'llama-f32/config.json'), 'utf8')) as Record<string, unknown>
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
      cpSync(join(fixtures, 'llama-f32'), scratch, { recursive: true })
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
