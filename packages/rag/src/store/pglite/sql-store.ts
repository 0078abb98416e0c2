import { TesseraeError, throwIfAborted } from '@tesserae/core'
import { RagError } from '../../errors.js'
import { filterToSql } from '../../filter/sql.js'
import type { Filter } from '../../filter/types.js'
import { manifestLine, readExport, sourceLines } from '../jsonl.js'
import { checkManifest } from '../manifest.js'
import type {
  Chunk,
  ChunkKey,
  ChunkRecord,
  ChunkStore,
  IndexManifest,
  LexicalQuery,
  SourceChange,
  SourceRecord,
  StoreResult,
  StoreStats,
  TermCount,
  TermFrequencies,
  VectorQuery,
} from '../types.js'
import { checkChange } from '../check-change.js'
import type { SqlClient, SqlDatabase } from './client.js'
import { chunkOf, hitOf, rowOf, sourceOf, vectorOf, vectorText, type ChunkRow, type SourceRow } from './rows.js'
import {
  byIndex,
  chunkColumns,
  deleteChunks,
  deleteSources,
  mostIndexedDimensions,
  putChunks,
  putSource,
  searchTerms,
  searchVectors,
  settleTotals,
  tablesOf,
} from './schema.js'

export interface SqlStoreOptions {
  /** What the store says that it is. */
  readonly kind: string
  /** Opens the database, alone; whatever `close` of it does is called once. */
  readonly connect: () => Promise<SqlDatabase>
  /** The PostgreSQL schema that holds the index; letters, digits and underscores. */
  readonly schema: string
  readonly flatLimit: number
  readonly hnsw: { readonly m: number; readonly efConstruction: number }
}

/** A chunk that a change names although it is another source's. */
interface Alien {
  readonly id: string
  readonly sourceId: string
}

// Enough to be fast, and few enough for the memory of a WebAssembly database.
const chunksPerStatement = 200

/** The {@link ChunkStore} of PostgreSQL with pgvector: BM25 over a table of postings, vectors exactly or by HNSW, everything in transactions. */
export class SqlStore implements ChunkStore {
  readonly kind: string
  private state: 'new' | 'open' | 'closed' = 'new'
  private database: SqlDatabase | undefined
  private manifest: IndexManifest | undefined
  private readonly schema: string
  private readonly running = new Set<Promise<unknown>>()
  private indexing: Promise<void> | undefined

  constructor(private readonly options: SqlStoreOptions) {
    this.kind = options.kind
    this.schema = `"${options.schema}"`
  }

  async open(manifest: IndexManifest): Promise<void> {
    if (this.state === 'open') throw new RagError('LOCKED', `This ${this.kind} store is open already; make another one, or share this one`)
    if (this.state === 'closed') throw closed()
    const database = await this.options.connect()
    try {
      await database.exec('CREATE EXTENSION IF NOT EXISTS vector')
      const found = await this.prepare(database, manifest)
      checkManifest(manifest, found)
    } catch (error) {
      await database.close()
      throw TesseraeError.isInstance(error) ? error : storeError('open the index', error)
    }
    this.database = database
    this.manifest = manifest
    this.state = 'open'
  }

  async applySource(change: SourceChange): Promise<void> {
    const { manifest } = this.opened()
    checkChange(change, manifest)
    await this.run('write a source', (database) => database.transaction((transaction) => this.write(transaction, change)))
  }

  async deleteSources(sourceIds: readonly string[]): Promise<number> {
    return await this.drop('source_id IN (SELECT jsonb_array_elements_text($1::text::jsonb))', [JSON.stringify(sourceIds)])
  }

  async deleteWhere(where: Filter): Promise<number> {
    const { sql, parameters } = filterToSql(where, { metadata: 'metadata', source: 'source_id' })
    return await this.drop(sql, parameters)
  }

  async sources({ scope }: { readonly scope?: string } = {}): Promise<readonly SourceRecord[]> {
    const rows = await this.rows<SourceRow>(
      'list sources',
      `SELECT source_id, hash, scope, title, metadata FROM ${this.schema}.sources WHERE $1::text IS NULL OR scope = $1::text ORDER BY source_id`,
      [scope ?? null],
    )
    return rows.map(sourceOf)
  }

  async source(sourceId: string): Promise<SourceRecord | undefined> {
    const [row] = await this.rows<SourceRow>(
      'read a source',
      `SELECT source_id, hash, scope, title, metadata FROM ${this.schema}.sources WHERE source_id = $1::text`,
      [sourceId],
    )
    return row === undefined ? undefined : sourceOf(row)
  }

  async chunksOf(sourceId: string): Promise<readonly ChunkKey[]> {
    return await this.rows<ChunkKey>(
      'list chunks',
      `SELECT id, embedding IS NOT NULL AS embedded FROM ${this.schema}.chunks WHERE source_id = $1::text ORDER BY place`,
      [sourceId],
    )
  }

  async get(ids: readonly string[]): Promise<readonly (Chunk | undefined)[]> {
    const rows = await this.rows<ChunkRow>(
      'read chunks',
      `${this.chunkQuery} WHERE c.id IN (SELECT jsonb_array_elements_text($1::text::jsonb))`,
      [JSON.stringify(ids)],
    )
    const chunks = new Map(rows.map((row) => [row.id, chunkOf(row)]))
    return ids.map((id) => chunks.get(id))
  }

  async vectors(ids: readonly string[]): Promise<readonly (Float32Array | undefined)[]> {
    const rows = await this.rows<{ readonly id: string; readonly embedding: string }>(
      'read vectors',
      `SELECT id, embedding::text AS embedding FROM ${this.schema}.chunks
       WHERE id IN (SELECT jsonb_array_elements_text($1::text::jsonb)) AND embedding IS NOT NULL`,
      [JSON.stringify(ids)],
    )
    const vectors = new Map(rows.map(({ id, embedding }) => [id, vectorOf(embedding)]))
    return ids.map((id) => vectors.get(id))
  }

  async vector(query: Float32Array, { k, where, ef = Math.max(40, 4 * k), exact = false, signal }: VectorQuery): Promise<StoreResult> {
    const { manifest } = this.opened()
    positive('k', k)
    positive('ef', ef)
    const dimensions = manifest.embedder?.dimensions
    if (dimensions === undefined)
      throw new RagError('OPTION', 'This index was opened without an embedder, so it has no vectors to search; search it lexically')
    if (query.length !== dimensions || !query.every(Number.isFinite) || query.every((x) => x === 0))
      throw new RagError('OPTION', `A query vector must have ${dimensions} finite components, not all zero; got ${query.length}`)
    throwIfAborted(signal, 'Searching vectors')
    const { sql, parameters } = this.filter(where, 3)
    const text = vectorText(query)
    if (!exact && (await this.useIndex(where))) {
      throwIfAborted(signal, 'Searching vectors')
      const rows = await this.run('search vectors', (database) =>
        database.transaction(async (transaction) => {
          await transaction.exec(byIndex(Math.max(ef, k)))
          return await transaction.query<ChunkRow & { readonly score: number }>(searchVectors(this.schema, sql, false), [
            text,
            k,
            ...parameters,
          ])
        }),
      )
      if (rows.rows.length === k) return { hits: rows.rows.map(hitOf), exact: false }
    }
    const rows = await this.run('search vectors', (database) =>
      database.transaction(async (transaction) => {
        await transaction.exec('SET LOCAL enable_indexscan = off')
        return await transaction.query<ChunkRow & { readonly score: number }>(searchVectors(this.schema, sql, true), [
          text,
          k,
          ...parameters,
        ])
      }),
    )
    return { hits: rows.rows.map(hitOf), exact: true }
  }

  async lexical(terms: readonly string[], { k, where, signal, k1 = 1.2, b = 0.75 }: LexicalQuery): Promise<StoreResult> {
    this.opened()
    positive('k', k)
    if (!(k1 >= 0 && k1 < Infinity)) throw new RagError('OPTION', `k1 must be a number of at least 0, got ${k1}`)
    if (!(b >= 0 && b <= 1)) throw new RagError('OPTION', `b must lie between 0 and 1, got ${b}`)
    throwIfAborted(signal, 'Searching terms')
    const { sql, parameters } = this.filter(where, 5)
    const times = new Map<string, number>()
    for (const term of terms) times.set(term, (times.get(term) ?? 0) + 1)
    const rows = await this.rows<ChunkRow & { readonly score: number }>('search terms', searchTerms(this.schema, sql), [
      JSON.stringify([...times]),
      k1,
      b,
      k,
      ...parameters,
    ])
    return { hits: rows.map(hitOf), exact: true }
  }

  async frequencies(terms: readonly string[]): Promise<TermFrequencies> {
    const rows = await this.rows<{ readonly term: string | null; readonly containing: number; readonly chunks: number }>(
      'count terms',
      `SELECT term, (SELECT count(*)::integer FROM ${this.schema}.postings p WHERE p.term = asked.term COLLATE "C") AS containing, total.chunks
       FROM (SELECT chunks::integer AS chunks FROM ${this.schema}.totals) total
       LEFT JOIN jsonb_array_elements_text($1::text::jsonb) AS asked (term) ON true`,
      [JSON.stringify([...new Set(terms)])],
    )
    const containing = rows.flatMap(({ term, containing: count }) => (term === null ? [] : [[term, count] as const]))
    return { chunks: rows[0]!.chunks, containing: new Map(containing) }
  }

  async neighbours(id: string, { window }: { readonly window: number }): Promise<readonly Chunk[]> {
    this.opened()
    if (!Number.isInteger(window) || window < 0) throw new RagError('OPTION', `window must be a non-negative integer, got ${window}`)
    const rows = await this.rows<ChunkRow>(
      'read chunks',
      `${this.chunkQuery} JOIN ${this.schema}.chunks asked ON asked.source_id = c.source_id
       WHERE asked.id = $1::text AND abs(c.place - asked.place) <= $2::integer ORDER BY c.place`,
      [id, Math.min(window, 2 ** 30)],
    )
    return rows.map(chunkOf)
  }

  async stats(): Promise<StoreStats> {
    const [row] = await this.rows<Record<keyof StoreStats, number>>(
      'count',
      `SELECT (SELECT count(*) FROM ${this.schema}.sources)::integer AS sources, (SELECT count(*) FROM ${this.schema}.chunks)::integer AS chunks,
              (SELECT count(embedding) FROM ${this.schema}.chunks)::integer AS vectors,
              (SELECT count(DISTINCT term) FROM ${this.schema}.postings)::integer AS terms`,
    )
    return row!
  }

  async rebuild(): Promise<void> {
    await this.run('rebuild the index', async (database) => {
      await database.exec(`DROP INDEX IF EXISTS ${this.schema}.chunks_by_meaning`)
      // One statement each: several together would be a transaction, in which VACUUM does not run.
      for (const table of ['chunks', 'postings', 'sources']) await database.exec(`VACUUM ANALYZE ${this.schema}.${table}`)
    })
    await this.useIndex(undefined)
  }

  async *export(): AsyncGenerator<string> {
    const { manifest } = this.opened()
    yield manifestLine(manifest)
    for (const source of await this.sources()) {
      const chunks = await this.records(source.sourceId)
      yield* sourceLines({ source, chunks })
    }
  }

  async import(lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
    const { manifest } = this.opened()
    for await (const { source, chunks } of readExport(lines, manifest))
      await this.applySource({ source, upsert: chunks, remove: (await this.chunksOf(source.sourceId)).map(({ id }) => id) })
  }

  async close(): Promise<void> {
    const wasOpen = this.state === 'open'
    this.state = 'closed'
    if (!wasOpen) return
    await Promise.allSettled(this.running)
    await this.database?.close()
    this.database = undefined
  }

  private get chunkQuery(): string {
    return `SELECT ${chunkColumns} FROM ${this.schema}.chunks c JOIN ${this.schema}.sources s ON s.source_id = c.source_id`
  }

  private opened(): { readonly database: SqlDatabase; readonly manifest: IndexManifest } {
    if (this.state === 'closed') throw closed()
    if (this.database === undefined || this.manifest === undefined)
      throw new RagError('STORE', 'The store is not open: call open(manifest), or createRag, first')
    return { database: this.database, manifest: this.manifest }
  }

  /** Runs work on the open database; `close` waits for it. */
  private async run<Result>(what: string, work: (database: SqlDatabase) => Promise<Result>): Promise<Result> {
    const { database } = this.opened()
    const running = work(database)
    this.running.add(running)
    try {
      return await running
    } catch (error) {
      throw TesseraeError.isInstance(error) ? error : storeError(what, error)
    } finally {
      this.running.delete(running)
    }
  }

  private async rows<Row>(what: string, sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await this.run(what, (database) => database.query<Row>(sql, parameters))).rows
  }

  private filter(where: Filter | undefined, firstParameter: number): { readonly sql: string; readonly parameters: readonly string[] } {
    if (where === undefined) return { sql: '', parameters: [] }
    return filterToSql(where, { metadata: 's.metadata', source: 's.source_id', firstParameter })
  }

  /** Makes the tables where there are none; returns the manifest that is stored. */
  private async prepare(database: SqlDatabase, manifest: IndexManifest): Promise<IndexManifest> {
    return await database.transaction(async (transaction) => {
      const { rows: tables } = await transaction.query<{ readonly found: boolean }>(
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1::text AND tablename = 'manifest') AS found",
        [this.options.schema],
      )
      if (!tables[0]!.found) {
        await transaction.exec(tablesOf(this.schema, manifest))
        await transaction.query(`INSERT INTO ${this.schema}.manifest (manifest) VALUES ($1::text::jsonb)`, [JSON.stringify(manifest)])
      }
      const { rows } = await transaction.query<{ readonly manifest: IndexManifest }>(`SELECT manifest FROM ${this.schema}.manifest`)
      return rows[0]!.manifest
    })
  }

  private async write(transaction: SqlClient, { source, upsert, remove }: SourceChange): Promise<void> {
    const { schema } = this
    const { sourceId, hash, scope, title, metadata } = source
    const given = new Set(upsert.map(({ id }) => id))
    const { rows } = await transaction.query<{ readonly chunks: number; readonly length: number; readonly alien: Alien | null }>(
      putSource(schema),
      [sourceId, hash, scope, title ?? null, JSON.stringify(metadata), JSON.stringify([...given, ...remove])],
    )
    const { chunks, length, alien } = rows[0]!
    if (alien !== null) throw new RagError('STORE', `Chunk '${alien.id}' belongs to source '${alien.sourceId}', not to '${sourceId}'`)
    const gone = remove.filter((id) => !given.has(id))
    if (gone.length > 0) await transaction.query(deleteChunks(schema), [JSON.stringify(gone)])
    for (let at = 0; at < upsert.length; at += chunksPerStatement)
      await transaction.query(putChunks(schema), [JSON.stringify(upsert.slice(at, at + chunksPerStatement).map(rowOf))])
    await transaction.query(settleTotals(schema), [sourceId, chunks, length])
  }

  private async drop(condition: string, parameters: readonly string[]): Promise<number> {
    const [row] = await this.rows<{ readonly sources: number }>('delete sources', deleteSources(this.schema, condition), [...parameters])
    return row!.sources
  }

  /** Whether to search by the approximate index, which is made when it is first worth it: above `flatLimit` vectors that match. */
  private async useIndex(where: Filter | undefined): Promise<boolean> {
    const { embedder } = this.opened().manifest
    if (embedder === null || embedder.dimensions > mostIndexedDimensions) return false
    const { sql, parameters } = this.filter(where, 1)
    const [count] = await this.rows<{ readonly all: number; readonly matching: number }>(
      'count vectors',
      `SELECT count(*)::integer AS "all", count(*) FILTER (WHERE ${sql === '' ? 'true' : sql})::integer AS matching
       FROM ${this.schema}.chunks c JOIN ${this.schema}.sources s ON s.source_id = c.source_id WHERE c.embedding IS NOT NULL`,
      [...parameters],
    )
    const { flatLimit, hnsw } = this.options
    // Where few match, comparing them alone is both exact and faster than a walk past all the others.
    if (count!.matching <= flatLimit || count!.matching < count!.all / 10) return false
    this.indexing ??= this.run('index vectors', async (database) => {
      await database.exec(
        `CREATE INDEX IF NOT EXISTS chunks_by_meaning ON ${this.schema}.chunks USING hnsw (embedding vector_cosine_ops)
         WITH (m = ${hnsw.m}, ef_construction = ${hnsw.efConstruction})`,
      )
    }).finally(() => (this.indexing = undefined))
    await this.indexing
    return true
  }

  /** The chunks of a source with terms and vectors. */
  private async records(sourceId: string): Promise<ChunkRecord[]> {
    const rows = await this.rows<ChunkRow & { readonly embedding: string | null; readonly terms: readonly TermCount[] | null }>(
      'read chunks',
      `SELECT ${chunkColumns}, c.embedding::text AS embedding,
         (SELECT jsonb_agg(jsonb_build_array(p.term, p.count) ORDER BY p.term) FROM ${this.schema}.postings p WHERE p.number = c.number) AS terms
       FROM ${this.schema}.chunks c JOIN ${this.schema}.sources s ON s.source_id = c.source_id WHERE c.source_id = $1::text ORDER BY c.place`,
      [sourceId],
    )
    return rows.map((row) => ({
      ...chunkOf(row),
      terms: row.terms ?? [],
      ...(row.embedding === null ? {} : { vector: vectorOf(row.embedding) }),
    }))
  }
}

function positive(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new RagError('OPTION', `${name} must be a positive integer, got ${value}`)
}

const closed = (): RagError => new RagError('CLOSED', 'The store is closed; make a new one')

const storeError = (what: string, cause: unknown): RagError =>
  new RagError('STORE', `The database could not ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
