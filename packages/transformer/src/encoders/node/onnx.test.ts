import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { random, type OnProgress } from '@tesserae/core'
import { resolveDevice, tensor } from '@tesserae/tensor'
import { afterAll, describe, expect, it } from 'vitest'
import { encodeMessage } from '../../../../tensor/src/device/onnx/proto/codec.js'
import { embeddingModel } from '../../models/embedding.js'
import { poolRows } from '../pool-rows.js'
import { pool, poolings, type Pooling } from '../pooling.js'
import { hubServer } from '../../load/testing/hub-server.js'
import { loadOnnxEmbedder, type LoadOnnxEmbedderOptions } from './load.js'

const fixtures = fileURLToPath(new URL('../__fixtures__/', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'tesserae-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const width = 4
const rows = 120
const values = Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i * i))
const info = (name: string, elemType: number, dims: readonly (number | string)[]) => ({
  name,
  type: { tensorType: { elemType, shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) } } },
})

/** A folder of the fixture with an encoder in ONNX that looks tokens up, with its table in a file of its own. */
function folderWith(name: string, change: object = {}): string {
  const folder = join(scratch, name)
  cpSync(join(fixtures, 'bert'), folder, { recursive: true })
  rmSync(join(folder, 'model.safetensors'))
  mkdirSync(join(folder, 'onnx'))
  const graph = {
    name: 'lookup',
    node: [{ opType: 'Gather', input: ['table', 'input_ids'], output: ['last_hidden_state'] }],
    initializer: [
      {
        name: 'table',
        dims: [rows, width],
        dataType: 1,
        dataLocation: 1,
        externalData: [{ key: 'location', value: 'model.onnx_data' }],
      },
    ],
    input: ['input_ids', 'attention_mask'].map((input) => info(input, 7, ['batch', 'tokens'])),
    output: [info('last_hidden_state', 1, ['batch', 'tokens', width])],
    ...change,
  }
  writeFileSync(
    join(folder, 'onnx/model.onnx'),
    encodeMessage('ModelProto', { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }),
  )
  writeFileSync(join(folder, 'onnx/model.onnx_data'), new Uint8Array(values.buffer))
  return folder
}

const meanOf = (ids: ArrayLike<number>): number[] => {
  const sums = Array.from({ length: width }, (_, d) => Array.from(ids).reduce((sum, id) => sum + values[id * width + d]!, 0))
  const length = Math.hypot(...sums)
  return sums.map((value) => value / length)
}

describe('an encoder in ONNX', () => {
  it('embeds texts as sentence-transformers’ files say', async () => {
    using embedder = await loadOnnxEmbedder(folderWith('plain'))
    expect([embedder.width, embedder.context]).toEqual([width, 24])
    const texts = ['the whale', 'sea', 'where did captain Ahab go over the calm white sea of the ship']
    const { vectors, tokens } = await embedder.embed(texts)
    let count = 0
    for (const [i, text] of texts.entries()) {
      const ids = embedder.tokenizer.encode(text)
      count += ids.length
      meanOf(ids).forEach((value, d) => expect(vectors[i]![d]).toBeCloseTo(value, 5))
    }
    expect(tokens).toBe(count)
    const asked = await embedder.embed(['sea'], { promptName: 'query' })
    expect(asked.vectors).toEqual((await embedder.embed(['query: sea'])).vectors)
    expect((await embeddingModel(embedder).doEmbed({ values: texts })).embeddings).toHaveLength(3)
    await expect(embedder.embed(texts, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('comes from the hub too, with what lies beside it, and again offline', async () => {
    const folder = folderWith('hub')
    cpSync(join(folder, 'onnx/model.onnx'), join(folder, 'onnx/other.onnx'))
    const names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    const hub = await hubServer(Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))])))
    const before = process.env['HF_ENDPOINT']
    process.env['HF_ENDPOINT'] = hub.url
    const cacheFolder = join(scratch, 'cache')
    const vectorsOf = async (source: string, options: LoadOnnxEmbedderOptions = {}) => {
      using embedder = await loadOnnxEmbedder(source, options)
      return (await embedder.embed(['the whale'])).vectors
    }
    try {
      const expected = await vectorsOf(folder)
      const done: string[] = []
      const onProgress: OnProgress = ({ task, completed, total, message }) =>
        void (task === 'download' && completed === total && done.push(message!))
      expect(await vectorsOf('hf:owner/name', { cacheFolder, onProgress })).toEqual(expected)
      expect(done.join()).toMatch(/onnx\/model\.onnx_data/)
      expect(await vectorsOf('hf:owner/name@main/onnx/other.onnx', { cacheFolder })).toEqual(expected)
      await expect(vectorsOf('hf:owner/name', { cacheFolder, file: 'onnx/none.onnx' })).rejects.toThrow(
        'hf:owner/name: there is no file onnx/none.onnx',
      )
      const count = hub.requests.length
      expect(await vectorsOf('hf:owner/name', { cacheFolder, offline: true })).toEqual(expected)
      expect(hub.requests).toHaveLength(count)
    } finally {
      if (before === undefined) delete process.env['HF_ENDPOINT']
      else process.env['HF_ENDPOINT'] = before
      await hub.close()
    }
  })

  it('is refused where it is none', async () => {
    const folder = folderWith('odd', { input: [info('input_ids', 7, ['batch', 'tokens']), info('past', 1, ['n'])] })
    await expect(loadOnnxEmbedder(folder)).rejects.toThrow(
      'the ONNX model takes input_ids (i64), past (f32); expected input_ids, and no others',
    )
    rmSync(join(folder, 'onnx/model.onnx_data'))
    await expect(loadOnnxEmbedder(folder)).rejects.toMatchObject({ code: 'IO' })
    rmSync(join(folder, 'onnx/model.onnx'))
    await expect(loadOnnxEmbedder(folder)).rejects.toThrow(
      'holds neither onnx/model.onnx nor model.onnx; name its model with the option file',
    )
  })
})

it('pools on the host as in a graph', async () => {
  const shape = [3, 5, 4] as const
  const stream = random(7).stream('hidden')
  const hidden = Float32Array.from({ length: 60 }, () => stream.normal())
  const lengths = [5, 1, 3]
  const device = await resolveDevice('reference')
  for (const pooling of poolings as readonly Pooling[]) {
    const expected = await pool(tensor(hidden, { shape: [...shape] }), tensor(lengths, { dtype: 'i32' }), pooling).data({ device })
    const found = poolRows(hidden, { length: 5, width: 4, lengths }, [pooling]).flatMap((vector) => [...vector])
    found.forEach((value, i) => expect(value, pooling).toBeCloseTo(expected[i]!, 5))
  }
})
