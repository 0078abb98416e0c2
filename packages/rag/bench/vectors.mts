// Vectors: pieces of the Cranfield abstracts as sums of random directions of their words, in graphs of the same parameters (HNSW, M 16, width 64 while
// building and 40 while searching, one thread), and by comparing all. Recall is against our exact search.
import { recursive, VectorIndex } from '@tesserae/rag'
import { wordEmbedder, type Cranfield } from '@tesserae/rag/testing'
import { contest, peer, time, type Side } from './contest.mjs'

const [dimensions, k, m, efConstruction, ef] = [384, 10, 16, 64, 40]

/** Rows found for a query, best first. */
type Search = (query: Float32Array) => readonly number[] | Promise<readonly number[]>
type Build = () => Promise<Search>

export async function vectors({ documents, questions }: Cranfield, folder: string | undefined): Promise<void> {
  const chunker = recursive({ maxTokens: 24, overlap: 0, header: 'none' })
  const texts = documents.flatMap((document) => chunker.chunk(document).map(({ text }) => text)).slice(0, 5000)
  const embed = async (values: string[]): Promise<Float32Array[]> =>
    (await wordEmbedder({ dimensions }).doEmbed({ values })).embeddings.map((values) => {
      // Scaled to length 1, as embedders give them; peers' inner products need it.
      const norm = Math.hypot(...values)
      return Float32Array.from(values, (value) => value / norm)
    })
  const rows = await embed(texts)
  const queries = await embed(questions.map(({ query }) => query))

  const ours = (flatLimit: number): Build => {
    return async () => {
      const index = new VectorIndex({ dimensions, flatLimit, m, efConstruction })
      rows.forEach((row, i) => index.set(String(i), row))
      await index.search(rows[0]!, { k: 1 }) // makes the graph
      return async (query) => (await index.search(query, { k, ef })).hits.map(({ key }) => Number(key))
    }
  }
  const exact = await ours(Infinity)()
  const truth = await Promise.all(queries.map(async (query) => new Set(await exact(query))))

  const side = (name: string, build: Build | undefined): Side => ({
    name,
    run:
      build &&
      (async () => {
        let search: Search | undefined
        const building = await time(async () => (search = await build()))
        const found: (readonly number[])[] = []
        await search!(queries[0]!)
        const all = await time(async () => {
          for (const query of queries) found.push(await search!(query))
        })
        const recall = found.reduce((sum, some, i) => sum + some.filter((row) => truth[i]!.has(row)).length, 0) / (k * queries.length)
        return { ms: { build: building, 'a search': all / queries.length }, quality: { 'recall@10': recall.toFixed(3) } }
      }),
  })
  const title = `${rows.length} vectors of ${dimensions} components, ${queries.length} searches for ${k}`
  await contest(
    `${title}, by graph`,
    [
      side('@tesserae/rag', ours(0)),
      { ...side('hnsw (TypeScript)', await hnsw(folder, rows)), turns: 1 },
      side('hnswlib-wasm (WebAssembly)', await hnswlibWasm(folder, rows)),
      side('usearch (native, prebuilt)', await usearch(folder, rows)),
      side('hnswlib-node (native, compiled)', await hnswlibNode(folder, rows)),
    ],
    3,
  )
  await contest(`${title}, comparing all`, [side('@tesserae/rag', ours(Infinity)), side('@orama/orama', await orama(folder, rows))], 3)
}

async function hnsw(folder: string | undefined, rows: readonly Float32Array[]): Promise<Build | undefined> {
  interface Graph {
    buildIndex(data: readonly object[], options?: object): Promise<void>
    searchKNN(query: Float32Array, k: number, options: { readonly efSearch: number }): { readonly id: number }[]
  }
  const module = await peer<{ HNSW: new (m: number, ef: number, d: number, metric: string, efSearch: number) => Graph }>(folder, 'hnsw')
  return (
    module &&
    (async () => {
      const graph = new module.HNSW(m, efConstruction, dimensions, 'cosine', ef)
      await graph.buildIndex(rows.map((vector, id) => ({ id, vector })))
      return (query) => graph.searchKNN(query, k, { efSearch: ef }).map(({ id }) => id)
    })
  )
}

interface Hnswlib {
  readonly HierarchicalNSW: new (
    space: string,
    dimensions: number,
    ...file: string[]
  ) => {
    initIndex(most: number, m: number, efConstruction: number, seed: number): void
    addPoint(vector: Float32Array | number[], label: number, replace: boolean): void
    setEfSearch?(ef: number): void
    setEf?(ef: number): void
    searchKnn(query: Float32Array | number[], k: number, filter: undefined): { readonly neighbors: number[] }
  }
}

async function hnswlibWasm(folder: string | undefined, rows: readonly Float32Array[]): Promise<Build | undefined> {
  // It is built for web pages only, and asks for their globals when it is loaded. It complains that files cannot be kept, which nobody asked for.
  const had = { window: globalThis.window, document: globalThis.document }
  Object.assign(globalThis, { window: globalThis, document: { currentScript: null } })
  try {
    const module = await peer<{ loadHnswlib(): Promise<Hnswlib> }>(folder, 'hnswlib-wasm', '/dist/hnswlib.js')
    const library = await module?.loadHnswlib()
    return library && hnswlib(library, rows, { given: (vector) => vector, file: [''] })
  } finally {
    Object.assign(globalThis, had)
  }
}

async function hnswlibNode(folder: string | undefined, rows: readonly Float32Array[]): Promise<Build | undefined> {
  const module = await peer<{ default: Hnswlib }>(folder, 'hnswlib-node')
  return module && hnswlib(module.default, rows, { given: (vector) => Array.from(vector), file: [] })
}

/** @param how what a vector is given as, and the file that the WebAssembly's graph wants to be named even where there is none */
function hnswlib(
  { HierarchicalNSW }: Hnswlib,
  rows: readonly Float32Array[],
  { given, file }: { readonly given: (vector: Float32Array) => Float32Array | number[]; readonly file: readonly string[] },
): Build {
  return async () => {
    const index = new HierarchicalNSW('cosine', dimensions, ...file)
    index.initIndex(rows.length, m, efConstruction, 1)
    rows.forEach((row, label) => index.addPoint(given(row), label, false))
    ;(index.setEfSearch ?? index.setEf)!.call(index, ef)
    return (query) => index.searchKnn(given(query), k, undefined).neighbors
  }
}

async function usearch(folder: string | undefined, rows: readonly Float32Array[]): Promise<Build | undefined> {
  interface Graph {
    add(keys: BigUint64Array, vectors: Float32Array, threads: number): void
    search(query: Float32Array, k: number, threads: number): { readonly keys: BigUint64Array }
  }
  const module = await peer<{ default: { Index: new (options: object) => Graph } }>(folder, 'usearch')
  return (
    module &&
    (async () => {
      const options = {
        metric: 'cos',
        quantization: 'f32',
        dimensions,
        connectivity: m,
        expansion_add: efConstruction,
        expansion_search: ef,
      }
      const index = new module.default.Index(options)
      const all = new Float32Array(rows.length * dimensions)
      rows.forEach((row, i) => all.set(row, i * dimensions))
      index.add(
        BigUint64Array.from(rows, (_, i) => BigInt(i)),
        all,
        1,
      )
      return (query) => Array.from(index.search(query, k, 1).keys, Number)
    })
  )
}

async function orama(folder: string | undefined, rows: readonly Float32Array[]): Promise<Build | undefined> {
  interface Orama {
    create(options: object): unknown
    insertMultiple(database: unknown, documents: readonly object[], batch: number): unknown
    searchVector(database: unknown, options: object): Promise<{ readonly hits: { readonly id: string }[] }>
  }
  const module = await peer<Orama>(folder, '@orama/orama')
  return (
    module &&
    (async () => {
      const database = module.create({ schema: { id: 'string', vector: `vector[${dimensions}]` } })
      await module.insertMultiple(
        database,
        rows.map((row, i) => ({ id: String(i), vector: Array.from(row) })),
        1000,
      )
      return async (query) => {
        const { hits } = await module.searchVector(database, {
          mode: 'vector',
          vector: { value: Array.from(query), property: 'vector' },
          similarity: -1,
          limit: k,
        })
        return hits.map(({ id }) => Number(id))
      }
    })
  )
}
