import { describe, expect, it } from 'vitest'
import { checkConfig, type DecoderConfig } from './config.js'
import { countParameters, flopsPerToken } from './count.js'
import { gpt2 } from './gpt2.js'
import { initWeights } from './initialize.js'
import { llama } from './llama.js'
import { checkWeights, disposeWeights, namedWeights } from './weights.js'

const sizes = { vocabSize: 11, width: 16, layers: 2, heads: 4, context: 6 }

describe('configurations', () => {
  it('are GPT-2 and Llama unless said otherwise', () => {
    expect(gpt2(sizes)).toMatchObject({
      kvHeads: 4,
      headWidth: 4,
      hidden: 64,
      norm: 'layer',
      positions: 'learned',
      activation: 'gelu',
      bias: true,
      tied: true,
    })
    expect(llama({ ...sizes, kvHeads: 2 })).toMatchObject({
      kvHeads: 2,
      hidden: 64,
      norm: 'rms',
      positions: 'rotary',
      activation: 'swiglu',
      bias: false,
      tied: false,
    })
    expect(gpt2({ ...sizes, hidden: 40, activation: 'geluTanh' })).toMatchObject({ hidden: 40, activation: 'geluTanh' })
  })

  it('are refused with the field, the value and what was expected', () => {
    const good = llama(sizes)
    const message = (change: Partial<Record<keyof DecoderConfig, unknown>>): string => {
      try {
        checkConfig({ ...good, ...change })
      } catch (error) {
        return (error as Error).message
      }
      return 'accepted'
    }
    expect(message({ layers: 0 })).toBe('config.layers is 0; expected an integer from 1 to 4096')
    expect(message({ width: 1e12 })).toContain('config.width is 1000000000000')
    expect(message({ context: '8' })).toContain('config.context is "8"')
    expect(message({ kvHeads: 3 })).toContain('config.kvHeads is 3; expected a divisor of heads (4)')
    expect(message({ headWidth: 3 })).toContain('config.headWidth is 3; expected an even number')
    expect(message({ activation: 'relu' })).toContain(
      `config.activation is "relu"; expected one of 'gelu', 'geluTanh', 'swiglu', 'geglu', 'gegluTanh'`,
    )
    expect(message({ bias: undefined })).toContain('config.bias is undefined; expected true or false')
    expect(message({ dropout: 1 })).toContain('config.dropout is 1')
    expect(message({ ropeBase: NaN })).toContain('config.ropeBase is NaN')
    expect(checkConfig({ ...good, note: 'more' })).toEqual(good)
    expect(() => gpt2({ ...sizes, heads: 3 })).toThrow('config.headWidth')
  })
})

describe('counting', () => {
  it('gives the published sizes', () => {
    const small = gpt2({ vocabSize: 50257, width: 768, layers: 12, heads: 12, context: 1024 })
    expect(countParameters(small)).toEqual({ total: 124_439_808, embedding: 50257 * 768, positions: 1024 * 768, body: 85_056_000 })
    const seven = llama({ vocabSize: 32000, width: 4096, layers: 32, heads: 32, hidden: 11008, context: 2048 })
    expect(countParameters(seven).total).toBe(6_738_415_616)
  })

  it('counts what there is to multiply', () => {
    const config = llama({ ...sizes, kvHeads: 2, hidden: 32 })
    const matrices = [...namedWeights(initWeights(config, { seed: 0 }))].filter(
      ([name, { rank }]) => rank === 2 && name !== 'embedding.weight',
    )
    const products = matrices.reduce((sum, [, { size }]) => sum + 2 * size, 0)
    expect(flopsPerToken(config, { tokens: 0 })).toBe(products)
    expect(flopsPerToken(config) - products).toBe(2 * 2 * 2 * 16 * 6)
    expect(flopsPerToken(config, { training: true })).toBe(3 * flopsPerToken(config))
  })
})

describe('initWeights', () => {
  it('starts as GPT-2: normal matrices, scaled down where they write to the residual stream, ones and zeros', async () => {
    const config = gpt2({ vocabSize: 200, width: 64, layers: 8, heads: 4, context: 100 })
    const weights = namedWeights(initWeights(config, { seed: 1 }))
    const deviation = async (name: string): Promise<number> => {
      const values = Array.from(await weights.get(name)!.data())
      return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
    }
    for (const name of ['embedding.weight', 'positions.weight', 'blocks.3.attention.query.weight', 'blocks.7.feedForward.up.weight'])
      expect(await deviation(name)).toBeCloseTo(0.02, 3)
    for (const name of ['blocks.0.attention.output.weight', 'blocks.7.feedForward.down.weight'])
      expect(await deviation(name)).toBeCloseTo(0.005, 3)
    expect([...new Set(await weights.get('blocks.1.attentionNorm.weight')!.data())]).toEqual([1])
    expect([...new Set(await weights.get('blocks.1.attention.key.bias')!.data())]).toEqual([0])
  })

  it('is a function of the seed, weight by weight', async () => {
    const first = async (config: DecoderConfig, seed: number): Promise<number> =>
      (await initWeights(config, { seed }).blocks[1]!.attention.query.weight.data())[0]!
    const value = await first(gpt2(sizes), 1)
    expect(await first(gpt2(sizes), 1)).toBe(value)
    expect(await first(gpt2(sizes), 2)).not.toBe(value)
    expect(await first(gpt2({ ...sizes, tied: false, bias: false }), 1)).toBe(value)
  })
})

describe('checkWeights', () => {
  it('names what is missing, unknown or of another shape', () => {
    const config = gpt2(sizes)
    const weights = initWeights(config, { seed: 1 })
    checkWeights(weights, config)
    expect(() => checkWeights(weights, gpt2({ ...sizes, tied: false }))).toThrow(
      "weight 'head.weight' [11, 16] is missing; the configuration calls for 37 weights, 36 were given",
    )
    expect(() => checkWeights(weights, gpt2({ ...sizes, context: 8 }))).toThrow(
      "weight 'positions.weight' has shape [6, 16]; the configuration calls for [8, 16]",
    )
    expect(() => checkWeights(weights, gpt2({ ...sizes, bias: false }))).toThrow('is not part of this configuration')
    disposeWeights(weights)
    expect(weights.norm.weight.disposed).toBe(true)
  })
})
