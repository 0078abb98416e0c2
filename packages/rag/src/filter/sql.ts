import { parseFilter, type FilterNode } from './check.js'
import type { Filter, FilterValue } from './types.js'

export interface SqlOptions {
  /** SQL of the `jsonb` column with the metadata: `c.metadata`. */
  readonly metadata: string
  /** SQL of the `text` column with the source's id: `c.source_id`. */
  readonly source: string
  /** Number of the first placeholder; default 1. */
  readonly firstParameter?: number
}

/** A condition with placeholders `$n`, and their values: all of them text. */
export interface SqlCondition {
  readonly sql: string
  readonly parameters: readonly string[]
}

/**
 * Compiles a filter to a condition of PostgreSQL over a `jsonb` column. It is never NULL, so `NOT` means what it does in JavaScript, and selects
 * exactly what {@link matches} does. Nothing of the filter gets into the text of the query.
 *
 * Errors: FILTER.
 *
 * @example
 * filterToSql({ eq: ['lang', 'en'] }, { metadata: 'metadata', source: 'source_id' })
 * // => { sql: 'coalesce((metadata -> $1::text) = $2::text::jsonb, false)', parameters: ['lang', '"en"'] }
 */
export function filterToSql(filter: Filter, options: SqlOptions): SqlCondition {
  const parameters: string[] = []
  const first = options.firstParameter ?? 1
  const bind = (value: string): string => `$${first + parameters.push(value) - 1}::text`
  const json = (value: FilterValue): string => `${bind(JSON.stringify(value))}::jsonb`

  /** The field as jsonb and as text. */
  const fieldOf = (field: string): { readonly json: string; readonly text: string } => {
    if (field === '$source') return { json: `to_jsonb(${options.source})`, text: options.source }
    const key = bind(field)
    return { json: `(${options.metadata} -> ${key})`, text: `(${options.metadata} ->> ${key})` }
  }

  const compile = (node: FilterNode): string => {
    switch (node.op) {
      case 'and':
        return node.filters.length === 0 ? 'true' : `(${node.filters.map(compile).join(' AND ')})`
      case 'or':
        return node.filters.length === 0 ? 'false' : `(${node.filters.map(compile).join(' OR ')})`
      case 'not':
        return `(NOT ${compile(node.filter)})`
      case 'exists':
        return `coalesce(jsonb_typeof(${fieldOf(node.field).json}) <> 'null', false)`
      case 'eq':
        return `coalesce(${fieldOf(node.field).json} = ${json(node.value)}, false)`
      case 'ne':
        return `(NOT coalesce(${fieldOf(node.field).json} = ${json(node.value)}, false))`
      case 'in': {
        if (node.values.length === 0) return 'false'
        const field = fieldOf(node.field).json
        return `coalesce(${field} IN (${node.values.map(json).join(', ')}), false)`
      }
      case 'contains': {
        const field = fieldOf(node.field)
        const array = `(jsonb_typeof(${field.json}) = 'array' AND ${field.json} @> ${json(node.value)})`
        if (typeof node.value !== 'string') return `coalesce(${array}, false)`
        return `coalesce(${array} OR (jsonb_typeof(${field.json}) = 'string' AND position(${bind(node.value)} in ${field.text}) > 0), false)`
      }
      case 'gt':
      case 'gte':
      case 'lt':
      case 'lte': {
        const field = fieldOf(node.field)
        const operator = { gt: '>', gte: '>=', lt: '<', lte: '<=' }[node.op]
        // Strings by code points as in JavaScript, whatever collation the database has.
        return typeof node.value === 'number'
          ? `coalesce(jsonb_typeof(${field.json}) = 'number' AND ${field.json} ${operator} ${json(node.value)}, false)`
          : `coalesce(jsonb_typeof(${field.json}) = 'string' AND ${field.text} COLLATE "C" ${operator} ${bind(node.value)} COLLATE "C", false)`
      }
      default:
        return node satisfies never
    }
  }
  const sql = compile(parseFilter(filter))
  return { sql, parameters }
}
