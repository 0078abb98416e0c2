/** Mixtures of experts whose matrices are in blocks, out of GGUF and brought into them out of safetensors. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dequantize, fromBytes, type Tensor, type TensorEntry } from '@tesserae/tensor'
import { saveGguf, saveSafetensors } from '@tesserae/tensor/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../../architectures/config.js'
import { forward } from '../../architectures/decoder.js'
import { initWeights } from '../../architectures/initialize.js'
import { disposeWeights, isPackable, namedWeights, type AnyDecoderWeights, type DecoderWeights } from '../../architectures/weights.js'
import { modelMemory } from '../../generate/memory.js'
import { createModel } from '../../generate/model.js'
import { isPacked, quantizedWeight, type PackedMatrix } from '../../layers/packed.js'
import { rotaryTables } from '../../layers/rotary.js'
import { sourceOf } from '../assemble.js'
import { ggufNames } from '../families/names.js'
import { readHuggingFaceConfig } from '../hugging-face.js'
import { loadCheckpoint } from './model.js'
import { quantizeGguf } from './quantize-gguf.js'

const sizes = {
  vocab_size: 64,
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  tie_word_embeddings: false,
}
const kinds: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  mixtral: { ...sizes, model_type: 'mixtral', intermediate_size: 96, num_local_experts: 4, num_experts_per_tok: 2 },
  'qwen3-moe': {
    ...sizes,
    model_type: 'qwen3_moe',
    intermediate_size: 96,
    moe_intermediate_size: 32,
    num_experts: 8,
    num_experts_per_tok: 2,
    norm_topk_prob: true,
    head_dim: 16,
  },
}
const ids = [3, 17, 60, 0, 42, 42, 8, 9, 10, 33]

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'tesserae-mixture-'))
})
afterAll(() => rm(scratch, { recursive: true }))

const entry = (name: string, weight: Tensor): TensorEntry => ({
  name,
  dtype: 'f32',
  shape: weight.shape as number[],
  bytes: () => weight.bytes(),
})

/** A checkpoint with random weights, each expert's matrices by themselves. */
async function writeFolder(folder: string, values: Readonly<Record<string, unknown>>, weights: DecoderWeights): Promise<void> {
  const { config, family } = readHuggingFaceConfig(values, 'x')
  const names = family.names(config, () => true)
  const entries = [...namedWeights(weights)].flatMap(([name, weight]) => {
    const source = sourceOf(names, name)
    return source.names.length === 1
      ? [entry(source.names[0]!, weight)]
      : source.names.map((one, i) => entry(one, weight.slice(0, i, i + 1).reshape(...weight.shape.slice(1))))
  })
  await saveSafetensors(join(folder, 'model.safetensors'), entries)
  await writeFile(join(folder, 'config.json'), JSON.stringify(values))
}

/** The same as GGUF of Qwen 3. */
async function writeGguf(path: string, config: DecoderConfig, weights: DecoderWeights): Promise<void> {
  const names = ggufNames(config, () => false)
  const field = (name: string, value: number) => [`qwen3moe.${name}`, value] as const
  await saveGguf(
    path,
    [...namedWeights(weights)].map(([name, weight]) => entry(sourceOf(names, name).names[0]!, weight)),
    {
      metadata: new Map<string, string | number>([
        ['general.architecture', 'qwen3moe'],
        field('vocab_size', config.vocabSize),
        field('context_length', config.context),
        field('embedding_length', config.width),
        field('block_count', config.layers),
        field('feed_forward_length', config.hidden),
        field('expert_feed_forward_length', config.mixture!.hidden),
        field('attention.head_count', config.heads),
        field('attention.head_count_kv', config.kvHeads),
        field('attention.key_length', config.headWidth),
        field('attention.value_length', config.headWidth),
        field('attention.layer_norm_rms_epsilon', config.normEps),
        field('rope.freq_base', config.ropeBase),
        field('expert_count', config.mixture!.experts),
        field('expert_used_count', config.mixture!.active),
      ]),
    },
  )
}

/** The weights that blocks stand for, as f32. */
function decoded(value: unknown, path: string, config: DecoderConfig): unknown {
  if (isPacked(value)) {
    const columns = path.endsWith('experts.down.weight')
      ? config.mixture!.hidden
      : path.endsWith('output.weight')
        ? config.heads * config.headWidth
        : config.width
    const lead = value.scales.shape.slice(0, -1) as number[]
    const rows = lead.reduce((a, b) => a * b, 1)
    const flat = Object.fromEntries(
      Object.entries(value as PackedMatrix).map(([name, part]) => [
        name,
        (part as Tensor).reshape(rows, ...(part as Tensor).shape.slice(lead.length)),
      ]),
    ) as unknown as PackedMatrix
    return dequantize(quantizedWeight(flat, columns)).reshape(...lead, columns)
  }
  if (Array.isArray(value)) return value.map((one) => decoded(one, path, config))
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value as object).map(([name, part]) => [name, decoded(part, path === '' ? name : `${path}.${name}`, config)]),
  )
}

const logitsOf = async (config: DecoderConfig, weights: AnyDecoderWeights): Promise<Float32Array> => {
  const input = fromBytes(new Uint8Array(Int32Array.from(ids).buffer), { dtype: 'i32', shape: [1, ids.length] })
  return (await forward(weights, input, { config, rotary: rotaryTables(config) }).data()) as Float32Array
}

/** Experts are in blocks, give what these stand for, and answer as constants too, up to the rounding of inputs. */
async function check({ config, weights }: { readonly config: DecoderConfig; readonly weights: AnyDecoderWeights }): Promise<void> {
  const experts = [...namedWeights(weights)].filter(([name]) => /experts\..*\.packed$/.test(name))
  expect(experts).toHaveLength(3 * config.layers)
  for (const [, { shape }] of experts) expect(shape[0]).toBe(config.mixture!.experts)
  const expected = await logitsOf(config, decoded(weights, '', config) as DecoderWeights)
  const apart = (found: Float32Array): number => Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))
  expect(apart(await logitsOf(config, weights))).toBeLessThan(1e-5)
  const spread = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0) / expected.length)
  using model = await createModel({ config, weights, capacity: 32 })
  expect(apart(await model.logits(ids))).toBeLessThan(0.1 * spread)
  expect((await model.generate(ids, { maxTokens: 5 })).ids).toHaveLength(5)
}

describe.each(Object.entries(kinds))('%s', (name, values) => {
  it('out of safetensors, in 8 bits and in 4', async () => {
    const { config } = readHuggingFaceConfig(values, 'x')
    const folder = await mkdtemp(join(scratch, name))
    const weights = initWeights(config, { seed: 3 })
    await writeFolder(folder, values, weights)
    disposeWeights(weights)
    for (const dtype of ['q8', 'q4'] as const) await check(await loadCheckpoint(folder, { dtype }))
  })
})

it('out of GGUF, as the file has them', async () => {
  const { config } = readHuggingFaceConfig(kinds['qwen3-moe']!, 'x')
  const [plain, packed] = [join(scratch, 'plain.gguf'), join(scratch, 'packed.gguf')]
  const weights = initWeights(config, { seed: 4 })
  await writeGguf(plain, config, weights)
  disposeWeights(weights)
  await quantizeGguf(plain, packed, { type: 'q8_0' })
  const loaded = await loadCheckpoint(packed, { dtype: 'auto' })
  // What it takes is known beforehand.
  const layout = (one: string, shape: readonly number[]) =>
    isPackable(one, shape) ? ({ bits: 8, block: 32, hasMins: false } as const) : undefined
  const planned = modelMemory(loaded.config, { layout }).weights.filter(({ name }) => !name.startsWith('rotary'))
  const bytes = Object.fromEntries(
    [...namedWeights(loaded.weights)].map(([one, { size, dtype }]) => [one, size * (dtype === 'u8' ? 1 : 4)]),
  )
  expect(Object.fromEntries(planned.map((one) => [one.name, one.bytes]))).toEqual(bytes)
  await check(loaded)
})
