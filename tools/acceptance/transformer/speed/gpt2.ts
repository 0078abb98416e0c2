import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { GgufTyped, GgufValue, TensorEntry } from '@tesserae/tensor'
import { openGgufPath, saveGguf } from '@tesserae/tensor/node'
import { cacheFolder } from '../../lib/peers.js'
import { dataFile } from '../../lib/data.js'

/** The shape of the smallest GPT-2, https://huggingface.co/openai-community/gpt2/blob/main/config.json. */
const layers = 12
const width = 768
const heads = 12
const context = 1024

/** A GGUF file of f32 weights of that shape, random as GPT-2's are when training begins, with GPT-2's tokenizer. Made once and kept outside of the repository. */
export async function randomGpt2(): Promise<string> {
  const folder = join(cacheFolder, 'models')
  const path = join(folder, 'gpt2-random-124m.gguf')
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  const vocabulary = await openGgufPath(dataFile('vocab/ggml-vocab-gpt-2.gguf'))
  try {
    const tokenizer = [...vocabulary.metadata].filter(([key]) => key.startsWith('tokenizer.'))
    const tokens = vocabulary.metadata.get('tokenizer.ggml.tokens') as readonly string[]
    const uint32 = (value: number): GgufTyped => ({ type: 'uint32', value })
    const metadata: [string, GgufValue | GgufTyped][] = [
      ['general.architecture', 'gpt2'],
      ['general.name', 'Random GPT-2'],
      ['gpt2.context_length', uint32(context)],
      ['gpt2.embedding_length', uint32(width)],
      ['gpt2.feed_forward_length', uint32(4 * width)],
      ['gpt2.block_count', uint32(layers)],
      ['gpt2.attention.head_count', uint32(heads)],
      ['gpt2.attention.layer_norm_epsilon', { type: 'float32', value: 1e-5 }],
      ...tokenizer,
    ]
    await saveGguf(path, entries(tokens.length), { metadata })
  } finally {
    await vocabulary.dispose()
  }
  return path
}

function entries(vocabSize: number): TensorEntry[] {
  const random = normal(1)
  const weights = (name: string, shape: readonly number[], deviation: number): TensorEntry => ({
    name,
    dtype: 'F32',
    shape,
    bytes: () => new Uint8Array(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => deviation * random()).buffer),
  })
  const filled = (name: string, length: number, value: number): TensorEntry => ({
    name,
    dtype: 'F32',
    shape: [length],
    bytes: () => new Uint8Array(new Float32Array(length).fill(value).buffer),
  })
  const norm = (name: string): TensorEntry[] => [filled(`${name}.weight`, width, 1), filled(`${name}.bias`, width, 0)]
  const linear = (name: string, outputs: number, inputs: number, deviation = 0.02): TensorEntry[] => [
    weights(`${name}.weight`, [outputs, inputs], deviation),
    filled(`${name}.bias`, outputs, 0),
  ]
  const residual = 0.02 / Math.sqrt(2 * layers)
  return [
    weights('token_embd.weight', [vocabSize, width], 0.02),
    weights('position_embd.weight', [context, width], 0.01),
    ...Array.from({ length: layers }, (_, i) => `blk.${i}`).flatMap((block) => [
      ...norm(`${block}.attn_norm`),
      ...linear(`${block}.attn_qkv`, 3 * width, width),
      ...linear(`${block}.attn_output`, width, width, residual),
      ...norm(`${block}.ffn_norm`),
      ...linear(`${block}.ffn_up`, 4 * width, width),
      ...linear(`${block}.ffn_down`, width, 4 * width, residual),
    ]),
    ...norm('output_norm'),
  ]
}

/** Numbers of a normal distribution, the same from each seed. */
function normal(seed: number): () => number {
  let state = seed
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
}
