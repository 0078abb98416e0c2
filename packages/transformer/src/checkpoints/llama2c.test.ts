import { describe, expect, it } from 'vitest'
import { namedWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { readLlama2c } from './llama2c.js'

const shape = { width: 8, hidden: 6, layers: 2, heads: 4, kvHeads: 2, vocabulary: 5, context: 3 }

/** A checkpoint whose k-th number is k. */
function checkpoint(options: Partial<typeof shape> = {}): Uint8Array {
  const { width, hidden, layers, heads, kvHeads, vocabulary, context } = { ...shape, ...options }
  const vocab = Math.abs(vocabulary)
  const keys = (kvHeads * width) / heads
  const perLayer = 2 * width + 2 * width * width + 2 * keys * width + 3 * hidden * width
  const floats = vocab * width + layers * perLayer + width + (context * width) / heads + (vocabulary < 0 ? vocab * width : 0)
  const bytes = new Uint8Array(28 + 4 * floats)
  const view = new DataView(bytes.buffer)
  ;[width, hidden, layers, heads, kvHeads, vocabulary, context].forEach((value, i) => view.setInt32(4 * i, value, true))
  for (let i = 0; i < floats; i++) view.setFloat32(28 + 4 * i, i, true)
  return bytes
}

async function refusal(bytes: Uint8Array | Blob): Promise<string> {
  const error: unknown = await readLlama2c(bytes, { label: 'model.bin' }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!TransformerError.isInstance(error) || error.code !== 'CHECKPOINT')
    throw new Error(`expected a CHECKPOINT error, got ${String(error)}`)
  return error.message
}

describe('readLlama2c', () => {
  it('finds every weight at its place', async () => {
    const { config, weights } = await readLlama2c(checkpoint())
    expect(config).toMatchObject({
      vocabSize: 5,
      width: 8,
      hidden: 6,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headWidth: 2,
      context: 3,
      tied: true,
      ropeInterleaved: true,
      positions: 'rotary',
    })
    const starts = Object.fromEntries(
      await Promise.all([...namedWeights(weights)].map(async ([name, weight]) => [name, (await weight.data())[0]])),
    )
    expect(starts).toMatchObject({
      'embedding.weight': 0,
      'blocks.0.attentionNorm.weight': 40,
      'blocks.1.attentionNorm.weight': 48,
      'blocks.0.attention.query.weight': 56,
      'blocks.1.attention.query.weight': 120,
      'blocks.0.attention.key.weight': 184,
      'blocks.1.attention.value.weight': 280,
      'blocks.0.attention.output.weight': 312,
      'blocks.0.feedForwardNorm.weight': 440,
      'blocks.1.feedForward.gate.weight': 504,
      'blocks.0.feedForward.down.weight': 552,
      'blocks.1.feedForward.up.weight': 696,
      'norm.weight': 744,
    })
    expect(weights.head).toBeUndefined()
    expect(namedWeights(weights).get('blocks.0.feedForward.down.weight')!.shape).toEqual([8, 6])
    expect(weights.blocks[0]!.attention.key.weight.shape).toEqual([4, 8])
  })

  it('reads a head of its own, from a Blob, at any address', async () => {
    const bytes = checkpoint({ vocabulary: -5 })
    const shifted = new Uint8Array(bytes.byteLength + 1)
    shifted.set(bytes, 1)
    for (const source of [bytes, new Blob([bytes.slice().buffer]), shifted.subarray(1)]) {
      const { config, weights } = await readLlama2c(source)
      expect(config.tied).toBe(false)
      expect((await weights.head!.weight.data())[0]).toBe(744 + 8 + 6)
    }
  })

  it('refuses files of another length, with both lengths', async () => {
    const whole = checkpoint()
    expect(await refusal(whole.subarray(0, whole.byteLength - 4))).toContain(
      `which takes ${whole.byteLength} bytes; the file has ${whole.byteLength - 4}. It was cut short`,
    )
    expect(await refusal(Uint8Array.of(...whole, 0, 0, 0, 0))).toContain(
      `takes ${whole.byteLength} bytes; the file has ${whole.byteLength + 4}`,
    )
    expect(await refusal(whole.subarray(0, 20))).toContain('20 bytes are too few')
    expect(await refusal(new Uint8Array(0))).toContain('0 bytes are too few')
  })

  it('refuses headers that describe no model, however large their numbers', async () => {
    const huge = 2 ** 31 - 1
    for (const header of [
      [0, 6, 2, 4, 2, 5, 3],
      [8, 6, -2, 4, 2, 5, 3],
      [8, 6, 2, 3, 2, 5, 3],
      [8, 6, 2, 4, 3, 5, 3],
      [8, 6, 2, 4, 2, 0, 3],
      [4, 6, 2, 4, 2, 5, 3],
      [8, 6, huge, 4, 2, 5, 3],
    ]) {
      const bytes = checkpoint()
      header.forEach((value, i) => new DataView(bytes.buffer).setInt32(4 * i, value, true))
      expect(await refusal(bytes)).toContain('describes no model')
    }
    for (const header of [
      [8, huge, 2, 4, 2, 5, 3],
      [huge - 1, huge, 4096, 1, 1, -huge, huge],
    ]) {
      const bytes = checkpoint()
      header.forEach((value, i) => new DataView(bytes.buffer).setInt32(4 * i, value, true))
      expect(await refusal(bytes)).toContain(`the file has ${bytes.byteLength}`)
    }
  })

  it('names the formats it is mistaken for', async () => {
    const like = (start: string): Uint8Array => {
      const bytes = new Uint8Array(64)
      bytes.set(new TextEncoder().encode(start))
      return bytes
    }
    expect(await refusal(like('GGUF'))).toContain('a GGUF file')
    expect(await refusal(like('PK\u0003\u0004'))).toContain('a zip archive')
    expect(await refusal(like('24ka\u0002'))).toContain('a version 2 checkpoint')
    expect(await refusal(like('@\0\0\0\0\0\0\0{"a"'))).toContain('a safetensors file')
  })
})
