import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embed, embedMany } from 'ai'
import type { EmbeddingModelLike } from '@tesserae/core'
import { referenceDevice } from '@tesserae/tensor'
import { trainBpe, type Tokenizer } from '@tesserae/tokenizer'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { namedWeights, type DecoderWeights } from '../architectures/weights.js'
import { embeddingModel, type EncoderEmbeddingModel } from '../models/embedding.js'
import { loadTraining, saveTraining } from '../train/node/checkpoint.js'
import { textPairs } from './batch.js'
import { createEncoder, type TextEncoderModel } from './encoder.js'
import { initEncoderWeights } from './initialize.js'
import { evaluatePairs } from './evaluate.js'
import { readEncoder } from './files.js'
import { hashedWords } from './hashed-words.js'
import { loadEncoder, saveEncoder } from './node/files.js'
import { trainEncoder } from './train.js'

/** Questions and answers that share no word, so that only learning which words go together finds the partner. */
const animals = [
  ['whale', 'ocean'],
  ['horse', 'meadow'],
  ['eagle', 'mountain'],
  ['camel', 'desert'],
  ['mole', 'underground'],
  ['penguin', 'antarctica'],
  ['monkey', 'jungle'],
  ['frog', 'pond'],
] as const
const openings = ['where lives the', 'tell me of the', 'home of a'] as const
const closings = ['it is found in the', 'look at the', 'surely in an'] as const
const pairs = animals.flatMap(([animal, place]) =>
  openings.flatMap((opening) => closings.map((closing) => [`${opening} ${animal}`, `${closing} ${place}`] as const)),
)
const asked = animals.map(([animal]) => `the ${animal}`) // neither opening nor closing was seen this way
const answered = animals.map(([, place]) => `the ${place}`)

let tokenizer: Tokenizer
const folder = mkdtempSync(join(tmpdir(), 'tesserae-embed-'))
beforeAll(async () => {
  tokenizer = await trainBpe([pairs.flat().join('\n')], { vocabSize: 340 })
})
afterAll(() => rmSync(folder, { recursive: true }))

const configOf = (dropout = 0) =>
  gpt2({ vocabSize: tokenizer.vocabSize, width: 32, layers: 1, heads: 2, context: 16, bias: false, dropout })
const dataOf = () => textPairs(pairs, { tokenizer, rows: 16, length: 16, seed: 1 })

describe('trainEncoder', () => {
  it('brings partners together where words in common cannot', async () => {
    const config = configOf()
    using run = trainEncoder({
      config,
      weights: initWeights(config, { seed: 1 }),
      data: dataOf(),
      steps: 60,
      temperature: 0.1,
      learningRate: 3e-3,
    })
    const losses: number[] = []
    let accuracy = 0
    for await (const event of run) {
      losses.push(event.loss)
      accuracy = event.accuracy
    }
    expect(losses).toHaveLength(60)
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 1.5)
    expect(accuracy).toBeGreaterThan(0.3) // pairs of one animal are each other's negatives, so all is out of reach
    using encoder = await createEncoder({ config, weights: run.weights, tokenizer, borrowWeights: true })
    const found = evaluatePairs((await encoder.embed(asked)).vectors, (await encoder.embed(answered)).vectors, { k: [1, 3] })
    expect(found.recall[1]).toBeGreaterThanOrEqual(0.75)
    const words = evaluatePairs(
      asked.map((text) => hashedWords(text)),
      answered.map((text) => hashedWords(text)),
    )
    expect(words.mrr).toBeLessThan(0.5)
  })

  it('resumes bit for bit, dropout included', async () => {
    const config = configOf(0.2)
    const options = { data: dataOf(), steps: 6, seed: 'x' }
    using whole = trainEncoder({ ...options, config, weights: initWeights(config, { seed: 1 }) })
    for await (const _ of whole);
    using first = trainEncoder({ ...options, config, weights: initWeights(config, { seed: 1 }) })
    for await (const { step } of first) if (step === 3) break
    await saveTraining(folder, first.state())
    using second = trainEncoder({ ...options, data: dataOf(), state: await loadTraining(folder) })
    for await (const _ of second);
    expect(second.step).toBe(6)
    expect(await valuesOf(second.weights)).toEqual(await valuesOf(whole.weights))
  })

  it('frees all it took, and nothing it was lent', async () => {
    const config = configOf(0.1)
    const device = referenceDevice()
    const run = trainEncoder({ config, weights: await initEncoderWeights(config, { seed: 1 }), data: dataOf(), steps: 2, device })
    for await (const _ of run) {
      const before = device.memory().liveBytes
      const lent = await createEncoder({ config, weights: run.weights, tokenizer, borrowWeights: true, device })
      await lent.embed(asked)
      lent.dispose()
      expect(device.memory().liveBytes).toBe(before)
    }
    const encoder = await createEncoder({ config, weights: run.release(), tokenizer, device })
    await encoder.embed(asked)
    encoder.dispose()
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
    await expect(encoder.embed(asked)).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('stops between steps and goes on', async () => {
    const config = configOf()
    const controller = new AbortController()
    using run = trainEncoder({ config, weights: initWeights(config, { seed: 1 }), data: dataOf(), steps: 4, signal: controller.signal })
    const reading = (async () => {
      for await (const { step } of run) if (step === 2) controller.abort()
    })()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
    expect(run.step).toBe(2)
    expect(run.state().step).toBe(2)
  })

  it('refuses what it cannot use', async () => {
    const config = configOf()
    const weights = initWeights(config, { seed: 1 })
    expect(() => trainEncoder({ config: { ...config, tied: false }, weights, data: dataOf(), steps: 1 })).toThrow('config.tied is false')
    expect(() => trainEncoder({ config, weights, data: dataOf(), steps: 1, temperature: 0 })).toThrow('temperature must be above 0')
    expect(() => trainEncoder({ config, weights, data: dataOf(), steps: 1, group: {} } as never)).toThrow(
      /takes no group: a pair's negatives/,
    )
    expect(() => textPairs(pairs.slice(0, 3), { tokenizer, rows: 4, length: 8, seed: 1 })).toThrow('3 pairs do not fill a batch of 4')
    expect(() => textPairs([...pairs, ['a', '']], { tokenizer, rows: 4, length: 8, seed: 1 })).toThrow('pair 72 has an empty text')
    const long = { at: () => textPairs(pairs, { tokenizer, rows: 4, length: 32, seed: 1 }).at(0) }
    using run = trainEncoder({ config, weights, data: long, steps: 1 })
    await expect(
      (async () => {
        for await (const _ of run);
      })(),
    ).rejects.toMatchObject({ code: 'CAPACITY' })
  })
})

describe('an encoder', () => {
  let encoder: TextEncoderModel
  beforeAll(async () => {
    const config = configOf()
    encoder = await createEncoder({ config, weights: initWeights(config, { seed: 5 }), tokenizer })
  })
  afterAll(() => encoder.dispose())

  it('gives each text the same vector alone and among others', async () => {
    const texts = Array.from({ length: 45 }, (_, i) => 'the whale lives '.repeat(1 + 3 * (i % 4)) + i)
    const together = await encoder.embed(texts)
    for (const i of [0, 7, 31, 44]) {
      const { vectors } = await encoder.embed([texts[i]!])
      together.vectors[i]!.forEach((value, d) => expect(value).toBeCloseTo(vectors[0]![d]!, 5))
    }
    expect(together.truncated).toBeGreaterThan(0)
    await expect(encoder.embed(['a', ''])).rejects.toThrow('text 1 ("") has no tokens')
    await expect(encoder.embed(['a'], { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('is an embedding model of the AI SDK', async () => {
    expectTypeOf<EncoderEmbeddingModel>().toExtend<EmbeddingModelLike>()
    const model = embeddingModel(encoder, { maxEmbeddingsPerCall: 2 })
    const { vectors } = await encoder.embed(asked)
    const one = await embed({ model, value: asked[1]! })
    expect(one.embedding).toHaveLength(32)
    one.embedding.forEach((value, d) => expect(value).toBeCloseTo(vectors[1]![d]!, 5))
    expect(one.usage.tokens).toBe(tokenizer.encode(asked[1]!).length)
    const many = await embedMany({ model, values: [...asked] })
    expect(many.embeddings).toHaveLength(8)
    many.embeddings[7]!.forEach((value, d) => expect(value).toBeCloseTo(vectors[7]![d]!, 5))
    const { warnings } = await model.doEmbed({ values: ['the whale '.repeat(30)] })
    expect(warnings).toEqual([{ type: 'other', message: '1 of 1 texts are longer than 16 tokens; their ends were not read' }])
  })

  it('is saved and loaded, from a folder and from its files', async () => {
    const path = join(folder, 'encoder')
    await saveEncoder(path, { config: encoder.config, weights: encoder.weights, tokenizer })
    const { vectors } = await encoder.embed(asked)
    const [config, json] = await Promise.all(['encoder.json', 'tokenizer.json'].map((name) => readFile(join(path, name), 'utf8')))
    const weights = new Uint8Array(await readFile(join(path, 'model.safetensors')))
    for (const loaded of [await loadEncoder(path), await readEncoder({ config: config!, weights, tokenizer: json })]) {
      using again = await createEncoder(loaded)
      expect((await again.embed(asked)).vectors).toEqual(vectors)
    }
    writeFileSync(join(path, 'encoder.json'), '{"format":"other"}')
    await expect(loadEncoder(path)).rejects.toMatchObject({ code: 'CHECKPOINT' })
  })
})

describe('evaluatePairs', () => {
  it('counts ranks, and ties as half', () => {
    const queries = [
      [1, 0],
      [0, 1],
    ]
    expect(evaluatePairs(queries, queries, { k: [1] })).toEqual({ recall: { 1: 1 }, mrr: 1, queries: 2 })
    expect(evaluatePairs(queries, queries.toReversed(), { k: [1, 2] })).toEqual({ recall: { 1: 0, 2: 1 }, mrr: 0.5, queries: 2 })
    const even = Array.from({ length: 4 }, () => [0, 0])
    expect(evaluatePairs(even, even, { k: [1, 3] })).toEqual({ recall: { 1: 0, 3: 1 }, mrr: 0.4, queries: 4 })
    expect(() => evaluatePairs(queries, [[1, 0]])).toThrow('as many documents as queries')
  })
})

const valuesOf = async (weights: DecoderWeights): Promise<Record<string, ArrayLike<number>>> =>
  Object.fromEntries(await Promise.all([...namedWeights(weights)].map(async ([name, weight]) => [name, await weight.data()] as const)))
