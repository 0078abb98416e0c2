/** What a filter compares a field with. */
export type FilterValue = string | number | boolean

/**
 * Which chunks to look at, by the metadata of their documents: one tree that every store understands, in memory as a predicate
 * ({@link matches}) and in SQL as parameterised text ({@link filterToSql}).
 *
 * A field is a key of the metadata, or `$source` for the document's id. A value equals another only if it is of the same type. A field
 * that is absent, or null, satisfies neither `eq`, `in`, `gt`, `gte`, `lt`, `lte`, `contains` nor `exists`; it does satisfy `ne`, which is the
 * negation of `eq`. Numbers are compared as numbers and strings by code points; between types nothing is greater or less.
 *
 * @example
 * const filter: Filter = { and: [{ in: ['lang', ['en', 'de']] }, { gte: ['year', 1960] }, { not: { contains: ['tags', 'draft'] } }] }
 */
export type Filter =
  | { readonly eq: readonly [field: string, value: FilterValue] }
  | { readonly ne: readonly [field: string, value: FilterValue] }
  | { readonly in: readonly [field: string, values: readonly FilterValue[]] }
  | { readonly gt: readonly [field: string, value: string | number] }
  | { readonly gte: readonly [field: string, value: string | number] }
  | { readonly lt: readonly [field: string, value: string | number] }
  | { readonly lte: readonly [field: string, value: string | number] }
  /** An array that has the value as an element, or a string that has the string in it. */
  | { readonly contains: readonly [field: string, value: FilterValue] }
  | { readonly exists: string }
  /** True for none. */
  | { readonly and: readonly Filter[] }
  /** False for none. */
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
