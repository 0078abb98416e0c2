import { createServer } from 'node:http'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EmbeddingModelLike, ProgressEvent, RerankingModelLike } from '@tesserae/core'
import { afterAll, describe, expect, it } from 'vitest'
import { embeddingModel } from '../../models/embedding.js'
import { rerankingModel } from '../../models/reranking.js'
import { readEmbedder, readReranker } from '../sources.js'
import { loadEmbedder, loadReranker } from './load.js'

const fixtures = fileURLToPath(new URL('../__fixtures__/', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'tesserae-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const texts = ['The whale is white.', 'sea', 'where did captain Ahab go over the calm sea?']
const text = (path: string): string => readFileSync(join(fixtures, path), 'utf8')

describe('an embedder', () => {
  it('gives a text the same vector alone and among others, in any batch', async () => {
    using embedder = await loadEmbedder(join(fixtures, 'modernbert'))
    const many = Array.from({ length: 150 }, (_, i) => `${'the sea '.repeat(i % 23)}whale`)
    const seen: ProgressEvent[] = []
    const { vectors, tokens, truncated } = await embedder.embed(many, { onProgress: (event) => seen.push(event) })
    expect(truncated).toBe(0)
    expect(tokens).toBeGreaterThan(many.length)
    expect(seen.at(-1)).toEqual({ task: 'embed', completed: 150, total: 150, unit: 'texts' })
    expect(seen.length).toBeGreaterThan(2)
    for (const i of [0, 22, 77]) {
      const [alone] = (await embedder.embed([many[i]!])).vectors
      alone!.forEach((value, d) => expect(value).toBeCloseTo(vectors[i]![d]!, 5))
    }
    expect((await embedder.embed([])).vectors).toEqual([])
  })

  it('cuts long texts before their last special token, and says so', async () => {
    using embedder = await loadEmbedder(join(fixtures, 'bert'), { maxTokens: 8 })
    expect(embedder.context).toBe(8)
    const [cut, same] = (await embedder.embed(['the whale is white ship sea captain sails', 'the whale is white ship sea'])).vectors
    expect(cut).toEqual(same)
    expect((await embedder.embed(['the whale is white ship sea captain'])).truncated).toBe(1)
    const { warnings } = await embeddingModel(embedder).doEmbed({ values: ['sea '.repeat(9)] })
    expect(warnings).toEqual([{ type: 'other', message: '1 of 1 texts are longer than 8 tokens; their ends were not read' }])
  })

  it('takes other poolings and leaves vectors as they are', async () => {
    using plain = await loadEmbedder(join(fixtures, 'bert'), { normalize: false })
    using first = await loadEmbedder(join(fixtures, 'bert'), { pooling: 'cls', normalize: true })
    const [[a], [b]] = [(await plain.embed(['sea'])).vectors, (await first.embed(['sea'])).vectors]
    expect(Math.hypot(...a!)).not.toBeCloseTo(1, 2)
    expect(Math.hypot(...b!)).toBeCloseTo(1, 5)
  })

  it('puts prompts before texts, also as a model of the AI SDK', async () => {
    using embedder = await loadEmbedder(join(fixtures, 'bert'))
    expect(embedder.prompts).toMatchObject({ query: 'query: ', passage: 'passage: ' })
    const [written] = (await embedder.embed(['query: sea'])).vectors
    expect((await embedder.embed(['sea'], { promptName: 'query' })).vectors[0]).toEqual(written)
    expect((await embedder.embed(['sea'], { prompt: 'query: ' })).vectors[0]).toEqual(written)
    const model: EmbeddingModelLike = embeddingModel(embedder, { promptName: 'query', modelId: 'tiny' })
    expect((await model.doEmbed({ values: ['sea'] })).embeddings[0]).toEqual(Array.from(written!))
    await expect(embedder.embed(['sea'], { promptName: 'title' })).rejects.toThrow(
      'promptName is "title"; expected one of document, passage, query, or any text as prompt',
    )
  })

  it('reads names of special tokens in texts as text', async () => {
    using embedder = await loadEmbedder(join(fixtures, 'bert'))
    expect((await embedder.embed(['sea [SEP]'])).tokens).toBeGreaterThan(4)
  })

  it('ends between batches when its signal comes, and is of no use once disposed', async () => {
    const embedder = await loadEmbedder(join(fixtures, 'bert'))
    const stop = new AbortController()
    const many = Array.from({ length: 200 }, (_, i) => 'sea '.repeat(i % 20))
    const running = embedder.embed(many, { signal: stop.signal, onProgress: () => stop.abort() })
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    expect((await embedder.embed(['sea'])).vectors).toHaveLength(1)
    embedder.dispose()
    embedder.dispose()
    await expect(embedder.embed(['sea'])).rejects.toMatchObject({ code: 'DISPOSED' })
    await expect(loadEmbedder(join(fixtures, 'bert'), { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('a reranker', () => {
  it('gives the best alone, and is a reranking model', async () => {
    using reranker = await loadReranker(join(fixtures, 'bert-reranker'))
    const all = await reranker.rank('where is the ship ?', texts)
    expect(await reranker.rank('where is the ship ?', texts, { topK: 2 })).toEqual(all.slice(0, 2))
    const model: RerankingModelLike = rerankingModel(reranker)
    const call = { query: 'where is the ship ?', documents: { type: 'text' as const, values: texts }, topN: 2 }
    const { ranking } = await model.doRerank(call)
    expect(ranking).toEqual(all.slice(0, 2).map(({ index, score }) => ({ index, relevanceScore: score })))
    const objects = rerankingModel(reranker).doRerank({ ...call, documents: { type: 'object', values: [{ title: 'sea' }] } })
    await expect(objects).resolves.toMatchObject({ ranking: [{ index: 0 }], warnings: [{ type: 'other' }] })
    await expect(reranker.rank('q', texts, { topK: -1 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(reranker.rank('q', texts, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('needs a classifier with one label', async () => {
    await expect(loadReranker(join(fixtures, 'bert'))).rejects.toThrow('expected one ending in ForSequenceClassification')
    const folder = copy('bert-reranker', { 'config.json': { id2label: { 0: 'a', 1: 'b' } } })
    await expect(loadReranker(folder)).rejects.toThrow('its classifier gives 2 scores for a text; a reranker gives 1')
  })
})

describe('files that are no folder', () => {
  const names = [
    'config.json',
    'modules.json',
    '1_Pooling/config.json',
    'sentence_bert_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ]
  it('are read from memory', async () => {
    const files = Object.fromEntries(names.map((name) => [name, text(join('bert', name))]))
    const weights = readFileSync(join(fixtures, 'bert/model.safetensors'))
    using expected = await loadEmbedder(join(fixtures, 'bert'))
    for (const one of [new Uint8Array(weights), new Blob([weights])]) {
      using embedder = await readEmbedder({ ...files, 'model.safetensors': one })
      expect((await embedder.embed(texts)).vectors).toEqual((await expected.embed(texts)).vectors)
    }
    await expect(readEmbedder(files)).rejects.toThrow('checkpoint: model.safetensors is missing')
    await expect(readEmbedder({})).rejects.toThrow('checkpoint: config.json is missing')
  })

  it('are read from an address', async () => {
    const server = createServer((request, response) => {
      const path = join(fixtures, decodeURIComponent(request.url!))
      if (!existsSync(path)) return response.writeHead(404).end()
      const bytes = readFileSync(path)
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
      if (from === undefined) return response.writeHead(200).end(bytes)
      const last = Math.min(Number(to), bytes.length - 1)
      return response
        .writeHead(206, { 'content-range': `bytes ${from}-${last}/${bytes.length}` })
        .end(bytes.subarray(Number(from), last + 1))
    })
    await new Promise<void>((resolve) => server.listen(0, resolve))
    try {
      const base = new URL(`http://localhost:${(server.address() as AddressInfo).port}/bert-reranker`)
      using reranker = await readReranker(base)
      using expected = await loadReranker(join(fixtures, 'bert-reranker'))
      expect(await reranker.rank('sea', texts)).toEqual(await expected.rank('sea', texts))
    } finally {
      server.close()
    }
  })
})

let copies = 0
/** A copy of a fixture with some JSON files changed. */
function copy(name: string, changes: Readonly<Record<string, unknown>>): string {
  const folder = join(scratch, `${name}-${copies++}`)
  cpSync(join(fixtures, name), folder, { recursive: true })
  for (const [file, change] of Object.entries(changes)) {
    const path = join(folder, file)
    const before: unknown = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
    writeFileSync(path, JSON.stringify(Array.isArray(change) ? change : { ...(before as object), ...(change as object) }))
  }
  return folder
}

describe('what cannot be read is refused by name', () => {
  const module = (type: string, path = '1_Pooling') => [
    { type: 'sentence_transformers.models.Transformer', path: '' },
    { type: `sentence_transformers.models.${type}`, path },
  ]
  it.each<readonly [string, string, unknown, string]>([
    ['bert', 'config.json', { model_type: 't5' }, 'model_type is "t5"; expected one of bert, roberta'],
    ['bert', 'config.json', { hidden_size: 1e15 }, 'config.width is 1000000000000000; expected an integer from 1'],
    ['bert', 'config.json', { num_hidden_layers: 1e9 }, 'num_hidden_layers is 1000000000; expected an integer from 1 to 4096'],
    ['bert', 'config.json', { num_attention_heads: 3 }, 'config.heads is 3; expected a divisor of width (16)'],
    ['bert', 'config.json', { hidden_act: 'tanhshrink' }, 'hidden_act is "tanhshrink"'],
    ['bert', 'config.json', { position_embedding_type: 'relative_key' }, 'position_embedding_type is "relative_key"; expected "absolute"'],
    ['bert', 'config.json', { quantization_config: {} }, 'its weights are quantised'],
    [
      'bert',
      'config.json',
      { num_hidden_layers: 1 },
      "tensor 'encoder.layer.1.attention.output.LayerNorm.bias' is not part of its configuration",
    ],
    ['bert', 'config.json', { num_hidden_layers: 3 }, 'is missing; its configuration calls for'],
    ['bert', 'config.json', { vocab_size: 90 }, "tensor 'embeddings.word_embeddings.weight' is ["],
    ['bert', 'config.json', { vocab_size: 10 }, 'the tokenizer has'],
    ['bert', 'modules.json', module('Pooling', '../bert/1_Pooling'), 'expected a folder inside the model'],
    ['bert', 'modules.json', module('Pooling', '/etc'), 'expected a folder inside the model'],
    ['bert', 'modules.json', module('LSTM'), 'modules.json has a module "LSTM"; expected one Pooling, then Dense and Normalize'],
    ['bert', 'modules.json', module('Pooling', 'none'), 'none/config.json is missing'],
    ['bert', '1_Pooling/config.json', { pooling_mode: 'median' }, 'pooling_mode is "median"; expected some of cls'],
    ['bert', '1_Pooling/config.json', { include_prompt: false }, 'include_prompt is false; expected true'],
    ['bert', 'config_sentence_transformers.json', { prompts: { query: 1 } }, 'expected texts by name'],
    ['bert', 'config_sentence_transformers.json', { default_prompt_name: 'title' }, 'expected the name of a prompt'],
    ['distilbert', '2_Dense/config.json', { in_features: 8 }, '2_Dense takes vectors of 8 entries, and what is before it gives 16'],
    ['distilbert', '2_Dense/config.json', { out_features: 7 }, "tensor 'linear.weight' is [6, 16]; its config.json calls for [7, 16]"],
    ['distilbert', '2_Dense/config.json', { activation_function: 'os.system' }, 'activation_function is "os.system"; expected Tanh'],
    ['modernbert', 'config.json', { local_attention: 0 }, 'local_attention is 0; expected a number of at least 2'],
    ['modernbert', 'config.json', { layer_types: ['full_attention'] }, 'config.windows is 0; expected 4 whole numbers'],
    [
      'modernbert',
      'config.json',
      { rope_parameters: { full_attention: { rope_type: 'yarn' } } },
      'rope_type is "yarn"; expected "default"',
    ],
  ])('%s: %s with %j', async (name, file, change, message) => {
    await expect(loadEmbedder(copy(name, { [file]: change }))).rejects.toThrow(message)
  })

  it('a folder that is none, or without a tokenizer', async () => {
    await expect(loadEmbedder(join(scratch, 'none'))).rejects.toThrow('there is nothing at')
    const folder = copy('bert', {})
    rmSync(join(folder, 'tokenizer.json'))
    await expect(loadEmbedder(folder)).rejects.toThrow('tokenizer.json is missing; save the tokenizer')
    writeFileSync(join(folder, 'config.json'), '{')
    await expect(loadEmbedder(folder)).rejects.toThrow('not JSON')
  })
})
