import { RagError } from '../../errors.js'
import type { ChunkStore } from '../types.js'
import type { SqlDatabase } from './client.js'
import type { Place } from './place.js'
import { SqlStore } from './sql-store.js'

/** An open PGlite with the extension `vector`, as far as this package uses it. */
export interface PgliteClient extends Omit<SqlDatabase, 'close'> {
  readonly closed: boolean
}

/** Where the index lies and how it is searched. At most one of `dir`, `idb` and `client`; with none of them it is in memory. */
export interface PgliteOptions {
  /** A directory, in Node. It is this process's alone until `close`. */
  readonly dir?: string
  /** Name of an IndexedDB database, in a browser. It is this store's alone until `close` or the end of the tab. */
  readonly idb?: string
  /** A PGlite that is open already, made with `extensions: { vector }`; closing the store leaves it open. */
  readonly client?: PgliteClient
  /** PostgreSQL schema for the tables, so that several indexes fit into one database. Default 'rag'. */
  readonly schema?: string
  /** Up to so many vectors search compares every one; above, by HNSW. Default 5,000. */
  readonly flatLimit?: number
  /** Of the HNSW index: neighbours per vector (2 to 100, default 16) and width while it is built (4 to 1000, at least twice m, default 64). */
  readonly hnsw?: { readonly m?: number; readonly efConstruction?: number }
}

/**
 * A store in PGlite: PostgreSQL with pgvector, compiled to WebAssembly, in a directory, in IndexedDB or in memory. Needs the packages
 * `@electric-sql/pglite` and `@electric-sql/pglite-pgvector` (the optional peers, in exactly the versions that this package names).
 *
 * What was applied survives the end of the process at any moment. It need not survive a power failure: PGlite runs PostgreSQL with `fsync` off,
 * so what the operating system has not written yet is lost with it; `close` writes a checkpoint. Two processes on one directory would lose rows
 * without a word, so a lock in the directory keeps the second out; that of a process that has ended is taken over.
 *
 * Errors: OPTION here; LOCKED, ManifestMismatch, and STORE for a missing package from `open`.
 */
export function pglite(options: PgliteOptions = {}): ChunkStore {
  const { dir, idb, client, schema = 'rag', flatLimit = 5000, hnsw: { m = 16, efConstruction = 64 } = {} } = options
  if ([dir, idb, client].filter((place) => place !== undefined).length > 1)
    throw new RagError('OPTION', 'dir, idb and client exclude one another; give the one that says where the index lies')
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw new RagError('OPTION', `schema must be 1 to 63 lower-case letters, digits and underscores, got ${JSON.stringify(schema)}`)
  if (!(flatLimit >= 0)) throw new RagError('OPTION', `flatLimit must be at least 0, got ${flatLimit}`)
  if (!(Number.isInteger(m) && m >= 2 && m <= 100)) throw new RagError('OPTION', `hnsw.m must be an integer from 2 to 100, got ${m}`)
  if (!(Number.isInteger(efConstruction) && efConstruction >= Math.max(4, 2 * m) && efConstruction <= 1000))
    throw new RagError(
      'OPTION',
      `hnsw.efConstruction must be an integer from ${Math.max(4, 2 * m)} (twice m) to 1000, got ${efConstruction}`,
    )
  return new SqlStore({
    kind: 'pglite',
    schema,
    flatLimit,
    hnsw: { m, efConstruction },
    connect: () => (client === undefined ? connectPlace(options) : Promise.resolve(borrow(client, schema))),
  })
}

async function connectPlace({ dir, idb }: PgliteOptions): Promise<SqlDatabase> {
  const { PGlite, vector } = await loadPeers()
  const { takePlace } = await import('#pglite-place')
  const place: Place = await takePlace({ ...(dir === undefined ? {} : { dir }), ...(idb === undefined ? {} : { idb }) })
  try {
    const database = await PGlite.create({ extensions: { vector }, ...(place.dataDir === undefined ? {} : { dataDir: place.dataDir }) })
    await place.settled()
    return {
      query: (sql, parameters) => database.query(sql, parameters),
      exec: (sql) => database.exec(sql),
      transaction: (body) => database.transaction((transaction) => body(transaction)),
      async close() {
        try {
          // With fsync off this is what gets the data out of the log and into its files.
          await database.exec('CHECKPOINT')
          await database.close()
        } finally {
          await place.release()
        }
      },
    }
  } catch (error) {
    await place.release()
    throw new RagError(
      'STORE',
      `PGlite could not open ${dir ?? idb ?? 'a database in memory'}: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
}

async function loadPeers() {
  try {
    const [{ PGlite }, { vector }] = await Promise.all([import('@electric-sql/pglite'), import('@electric-sql/pglite-pgvector')])
    return { PGlite, vector }
  } catch (error) {
    throw new RagError(
      'STORE',
      'The PGlite store needs two packages: npm install @electric-sql/pglite@0.5 @electric-sql/pglite-pgvector@0.0.15',
      {
        cause: error,
      },
    )
  }
}

/** Which schemas of a client are open: it has one connection, so nothing else would keep two stores apart. */
const borrowed = new WeakMap<PgliteClient, Set<string>>()

function borrow(client: PgliteClient, schema: string): SqlDatabase {
  if (client.closed) throw new RagError('CLOSED', 'The PGlite given as client is closed')
  const schemas = borrowed.get(client) ?? new Set<string>()
  borrowed.set(client, schemas)
  if (schemas.has(schema))
    throw new RagError('LOCKED', `The schema '${schema}' of this client is open in another store; share that one, or close it first`)
  schemas.add(schema)
  return {
    query: (sql, parameters) => client.query(sql, parameters),
    exec: (sql) => client.exec(sql),
    transaction: (body) => client.transaction(body),
    close: () => {
      schemas.delete(schema)
      return Promise.resolve()
    },
  }
}
