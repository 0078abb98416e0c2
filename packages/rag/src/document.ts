import { RagError } from './errors.js'

/** A value that metadata may hold and filters compare; null counts as absent. */
export type MetadataValue = string | number | boolean | null | readonly (string | number | boolean)[]

/** What is known about a document beside its text; filters select by it. */
export type Metadata = Readonly<Record<string, MetadataValue>>

/** A piece of a text: UTF-16 offsets, `text.slice(start, end)`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A heading in a document's text. What follows it, up to the next heading of the same or a lower depth, lies under it. */
export interface Heading extends Span {
  /** 1 for the outermost. */
  readonly depth: number
  /** The heading without its markup. */
  readonly text: string
}

/** Where a document's parts lie, as far as a loader knows; the chunker prefers to split at their borders. */
export interface DocumentStructure {
  /** In the order of the text. */
  readonly headings: readonly Heading[]
  /** Paragraphs, list items, tables, blocks of code: what should stay whole where it fits. In the order of the text, not overlapping. */
  readonly blocks: readonly Span[]
}

/** A text to index. */
export interface Document {
  /** Stable name of the source: a path, an address, a key. Syncing a document again replaces what was indexed under its id. */
  readonly id: string
  readonly text: string
  readonly title?: string
  readonly metadata?: Metadata
  readonly structure?: DocumentStructure
}

/** A document that is loaded when its turn comes, so that a failure concerns it alone and its id is known nevertheless. */
export interface LazyDocument {
  readonly id: string
  load(options?: { readonly signal?: AbortSignal }): Promise<Document>
}

/** Where documents come from: {@link documents}, a `directory` (entry point `./node`), or anything that can be iterated. */
export type DocumentSource = Iterable<Document | LazyDocument> | AsyncIterable<Document | LazyDocument>

/**
 * Checks that a document can be indexed and returns it. Stores in SQL hold neither NUL nor lone surrogates, so no store takes them.
 *
 * Errors: DOCUMENT for an id or metadata of the wrong kind, NOT_TEXT for text that is none.
 */
export function checkDocument(document: Document): Document {
  const { id, text, title, metadata = {} } = document
  if (typeof id !== 'string' || id === '')
    throw new RagError('DOCUMENT', `A document's id must be a string that is not empty, got ${JSON.stringify(id)}`)
  const name = JSON.stringify(id)
  if (!isStorable(id)) throw new RagError('DOCUMENT', `The document id ${name} contains NUL or a lone surrogate; use plain text`)
  if (typeof text !== 'string')
    throw new RagError('NOT_TEXT', `The document ${name} is not text: text must be a string, got ${typeof text}`)
  if (!isStorable(text))
    throw new RagError('NOT_TEXT', `The document ${name} is not text: it contains NUL or half of a surrogate pair, as binary files do`)
  if (title !== undefined && (typeof title !== 'string' || !isStorable(title)))
    throw new RagError('DOCUMENT', `The title of document ${name} must be a string without NUL, got ${JSON.stringify(title)}`)
  for (const [key, value] of Object.entries(metadata)) {
    if (!isStorable(key) || key.startsWith('$'))
      throw new RagError(
        'DOCUMENT',
        `The metadata of document ${name} has the key ${JSON.stringify(key)}; keys are plain text and do not begin with $`,
      )
    for (const item of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
      const fine =
        typeof item === 'string'
          ? isStorable(item)
          : typeof item === 'number'
            ? Number.isFinite(item)
            : typeof item === 'boolean' || (item === null && !Array.isArray(value))
      if (!fine)
        throw new RagError(
          'DOCUMENT',
          `The metadata of document ${name} must hold strings, finite numbers, booleans or arrays of them; '${key}' holds ${JSON.stringify(item) ?? typeof item}`,
        )
    }
  }
  return document
}

/** Whether every store can hold a string: well-formed and without NUL. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && !/\p{Surrogate}/u.test(text)
}
