import type { IndexManifest } from '../types.js'

/** Dimensions that pgvector's HNSW takes for single precision; beyond, every search is exact. */
export const mostIndexedDimensions = 2000

/**
 * The tables of one index in the schema `schema` (a quoted identifier). Chunks have a short number beside their id, which the postings
 * use: a row per term and chunk is most of the database, and a foreign key checked for each would be most of the time of a sync. Ids and terms are ordered by code points.
 */
export function tablesOf(schema: string, { embedder }: IndexManifest): string {
  const vector = embedder === null ? 'vector' : `vector(${embedder.dimensions})`
  return `
    CREATE SCHEMA IF NOT EXISTS ${schema};
    CREATE TABLE ${schema}.manifest (one boolean PRIMARY KEY DEFAULT true CHECK (one), manifest jsonb NOT NULL);
    CREATE TABLE ${schema}.sources (
      source_id text COLLATE "C" PRIMARY KEY,
      hash text NOT NULL,
      scope text NOT NULL,
      title text,
      metadata jsonb NOT NULL
    );
    CREATE TABLE ${schema}.chunks (
      number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id text COLLATE "C" NOT NULL UNIQUE,
      source_id text COLLATE "C" NOT NULL REFERENCES ${schema}.sources ON DELETE CASCADE,
      place integer NOT NULL,
      starts integer NOT NULL,
      ends integer NOT NULL,
      body text NOT NULL,
      headings jsonb NOT NULL,
      title text,
      tokens integer NOT NULL,
      length integer NOT NULL,
      embedding ${vector}
    );
    CREATE INDEX chunks_of_source ON ${schema}.chunks (source_id, place);
    CREATE TABLE ${schema}.postings (
      term text COLLATE "C" NOT NULL,
      number integer NOT NULL,
      count integer NOT NULL,
      PRIMARY KEY (term, number)
    );
    CREATE INDEX postings_of_chunk ON ${schema}.postings (number);
    CREATE TABLE ${schema}.totals (one boolean PRIMARY KEY DEFAULT true CHECK (one), chunks bigint NOT NULL, length bigint NOT NULL);
    INSERT INTO ${schema}.totals (chunks, length) VALUES (0, 0);`
}

/** Columns of a chunk, of the tables aliased c (chunks) and s (sources). */
export const chunkColumns = 'c.id, c.source_id, c.place, c.starts, c.ends, c.body, c.headings, c.title, c.tokens, s.metadata'

/**
 * Writes the record of a source and says how large it was. Parameters: id, hash, scope, title, metadata, and the ids of chunks of the change, of
 * which one that belongs to another source comes back as `alien`.
 */
export const putSource = (schema: string): string => `
  WITH put AS (
    INSERT INTO ${schema}.sources (source_id, hash, scope, title, metadata) VALUES ($1::text, $2::text, $3::text, $4::text, $5::text::jsonb)
    ON CONFLICT (source_id) DO UPDATE SET hash = excluded.hash, scope = excluded.scope, title = excluded.title, metadata = excluded.metadata
  )
  SELECT count(*)::integer AS chunks, coalesce(sum(length), 0)::integer AS length,
    (SELECT jsonb_build_object('id', id, 'sourceId', source_id) FROM ${schema}.chunks
     WHERE id IN (SELECT jsonb_array_elements_text($6::text::jsonb)) AND source_id <> $1::text LIMIT 1) AS alien
  FROM ${schema}.chunks WHERE source_id = $1::text`

/** Deletes chunks by id, with their postings. */
export const deleteChunks = (schema: string): string => `
  WITH gone AS (DELETE FROM ${schema}.chunks WHERE id IN (SELECT jsonb_array_elements_text($1::text::jsonb)) RETURNING number)
  DELETE FROM ${schema}.postings WHERE number IN (SELECT number FROM gone)`

/** Upserts chunks given as JSON, with their postings; a vector that is not given stays. */
export const putChunks = (schema: string): string => `
  WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS given (
      id text, source_id text, place integer, starts integer, ends integer, body text, headings jsonb, title text, tokens integer,
      length integer, embedding text, terms jsonb
    )
  ),
  written AS (
    INSERT INTO ${schema}.chunks (id, source_id, place, starts, ends, body, headings, title, tokens, length, embedding)
    SELECT id, source_id, place, starts, ends, body, headings, title, tokens, length, embedding::vector FROM given
    ON CONFLICT (id) DO UPDATE SET
      place = excluded.place, starts = excluded.starts, ends = excluded.ends, body = excluded.body, headings = excluded.headings,
      title = excluded.title, tokens = excluded.tokens, length = excluded.length,
      embedding = coalesce(excluded.embedding, chunks.embedding)
    RETURNING id, number
  ),
  counted AS MATERIALIZED (
    SELECT written.number, item ->> 0 AS term, (item ->> 1)::integer AS count
    FROM written JOIN given ON given.id = written.id COLLATE "C", jsonb_array_elements(given.terms) AS item
  ),
  stale AS (
    DELETE FROM ${schema}.postings p USING written w
    WHERE p.number = w.number AND NOT EXISTS (SELECT FROM counted c WHERE c.number = p.number AND c.term = p.term COLLATE "C")
  )
  INSERT INTO ${schema}.postings (number, term, count) SELECT number, term, count FROM counted
  ON CONFLICT (term, number) DO UPDATE SET count = excluded.count`

/** Adds what a source has become to the totals. Parameters: its id, its chunks and their length before. */
export const settleTotals = (schema: string): string => `
  UPDATE ${schema}.totals SET chunks = totals.chunks + now.chunks - $2::integer, length = totals.length + now.length - $3::integer
  FROM (SELECT count(*) AS chunks, coalesce(sum(length), 0) AS length FROM ${schema}.chunks WHERE source_id = $1::text) now`

/** Deletes the sources that `condition` selects with all that is theirs, and says how many they were. */
export const deleteSources = (schema: string, condition: string): string => `
  WITH gone AS (SELECT source_id FROM ${schema}.sources WHERE ${condition}),
  theirs AS (SELECT number, length FROM ${schema}.chunks WHERE source_id IN (SELECT source_id FROM gone)),
  postings AS (DELETE FROM ${schema}.postings WHERE number IN (SELECT number FROM theirs)),
  total AS (
    UPDATE ${schema}.totals SET
      chunks = chunks - (SELECT count(*) FROM theirs), length = totals.length - (SELECT coalesce(sum(length), 0) FROM theirs)
  ),
  deleted AS (DELETE FROM ${schema}.sources WHERE source_id IN (SELECT source_id FROM gone) RETURNING source_id)
  SELECT count(*)::integer AS sources FROM deleted`

/**
 * BM25 as {@link ChunkStore} defines it. Parameters: terms as JSON array of [term, times], k1, b, k; those of `filter` follow. Summed in the order
 * of the terms, so that equal chunks get equal scores to the last bit.
 */
export const searchTerms = (schema: string, filter: string): string => `
  WITH asked AS (SELECT item ->> 0 AS term, (item ->> 1)::float8 AS times FROM jsonb_array_elements($1::text::jsonb) AS item),
  total AS (SELECT chunks::float8 AS chunks, length::float8 / greatest(chunks, 1) AS mean FROM ${schema}.totals),
  weighted AS (
    SELECT a.term, a.times * ln(1 + (t.chunks - f.chunks + 0.5) / (f.chunks + 0.5)) * ($2::float8 + 1) AS weight
    FROM asked a, total t, LATERAL (SELECT count(*)::float8 AS chunks FROM ${schema}.postings p WHERE p.term = a.term COLLATE "C") f
    WHERE f.chunks > 0
  ),
  scored AS (
    SELECT p.number, sum(w.weight * p.count / (p.count + $2::float8 * (1 - $3::float8 + $3::float8 * c.length / t.mean)) ORDER BY w.term) AS score
    FROM weighted w
    JOIN ${schema}.postings p ON p.term = w.term COLLATE "C"
    JOIN ${schema}.chunks c ON c.number = p.number
    ${filter === '' ? '' : `JOIN ${schema}.sources s ON s.source_id = c.source_id`}
    CROSS JOIN total t
    ${filter === '' ? '' : `WHERE ${filter}`}
    GROUP BY p.number
  )
  SELECT ${chunkColumns}, best.score
  FROM (SELECT number, score FROM scored JOIN ${schema}.chunks USING (number) ORDER BY score DESC, id LIMIT $4::integer) best
  JOIN ${schema}.chunks c ON c.number = best.number
  JOIN ${schema}.sources s ON s.source_id = c.source_id
  ORDER BY best.score DESC, c.id`

/** The nearest vectors. Parameters: the query, k; those of `filter` follow. Exact unless an index is used, which knows no second key. */
export const searchVectors = (schema: string, filter: string, exact: boolean): string => `
  SELECT *, 1 - distance AS score FROM (
    SELECT ${chunkColumns}, c.embedding <=> $1::text::vector AS distance
    FROM ${schema}.chunks c JOIN ${schema}.sources s ON s.source_id = c.source_id
    WHERE c.embedding IS NOT NULL ${filter === '' ? '' : `AND ${filter}`}
    ORDER BY c.embedding <=> $1::text::vector${exact ? ', c.id' : ''}
    LIMIT $2::integer
  ) nearest
  ORDER BY distance, id`

/**
 * Settings of a transaction that searches by the HNSW index: the order has to come from the index, and a scan that meets too few matching
 * rows goes on, nearest first, as far as it takes (by default pgvector stops after one round of `ef` and returns fewer).
 */
export const byIndex = (ef: number): string => `
  SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL hnsw.ef_search = ${Math.min(1000, Math.ceil(ef))};
  SET LOCAL hnsw.iterative_scan = 'strict_order'; SET LOCAL hnsw.max_scan_tuples = 2147483647`
