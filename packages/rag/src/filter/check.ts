import { isStorable } from '../document.js'
import { RagError } from '../errors.js'
import type { Filter, FilterValue } from './types.js'

/** One operation of a filter, taken apart and checked. */
export type FilterNode =
  | { readonly op: 'eq' | 'ne' | 'contains'; readonly field: string; readonly value: FilterValue }
  | { readonly op: 'gt' | 'gte' | 'lt' | 'lte'; readonly field: string; readonly value: string | number }
  | { readonly op: 'in'; readonly field: string; readonly values: readonly FilterValue[] }
  | { readonly op: 'exists'; readonly field: string }
  | { readonly op: 'and' | 'or'; readonly filters: readonly FilterNode[] }
  | { readonly op: 'not'; readonly filter: FilterNode }

const operations = 'eq, ne, in, gt, gte, lt, lte, contains, exists, and, or, not'

/**
 * Takes a filter apart. Filters come from programs and, as JSON, from outside, so everything is checked.
 *
 * Errors: FILTER that says which part is wrong and what may stand there.
 */
export function parseFilter(filter: Filter): FilterNode {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter))
    throw wrong(filter, `must be an object with one of ${operations}`)
  const entries = Object.entries(filter) as [string, unknown][]
  const [entry] = entries
  if (entry === undefined || entries.length > 1)
    throw wrong(filter, `must have exactly one of ${operations}; join several with { and: [...] }`)
  const [op, operand] = entry
  switch (op) {
    case 'and':
    case 'or':
      if (!Array.isArray(operand)) throw wrong(filter, `'${op}' takes an array of filters`)
      return { op, filters: (operand as Filter[]).map(parseFilter) }
    case 'not':
      return { op, filter: parseFilter(operand as Filter) }
    case 'exists':
      return { op, field: fieldOf(filter, operand) }
    case 'in': {
      const [field, values] = pairOf(filter, operand)
      if (!Array.isArray(values)) throw wrong(filter, "'in' takes [field, array of values]")
      return { op, field, values: values.map((value) => valueOf(filter, value)) }
    }
    case 'eq':
    case 'ne':
    case 'contains': {
      const [field, value] = pairOf(filter, operand)
      return { op, field, value: valueOf(filter, value) }
    }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte': {
      const [field, value] = pairOf(filter, operand)
      const bound = valueOf(filter, value)
      if (typeof bound === 'boolean') throw wrong(filter, `'${op}' compares numbers or strings, not booleans`)
      return { op, field, value: bound }
    }
    default:
      throw wrong(filter, `must have exactly one of ${operations}`)
  }
}

function pairOf(filter: Filter, operand: unknown): [string, unknown] {
  if (!Array.isArray(operand) || operand.length !== 2) throw wrong(filter, 'takes an array of two: field and value')
  return [fieldOf(filter, operand[0]), operand[1]]
}

function fieldOf(filter: Filter, field: unknown): string {
  if (typeof field !== 'string' || !isStorable(field) || (field.startsWith('$') && field !== '$source'))
    throw wrong(filter, `names no field: give a key of the metadata, or $source for the document's id, not ${JSON.stringify(field)}`)
  return field
}

function valueOf(filter: Filter, value: unknown): FilterValue {
  const fine =
    typeof value === 'string' ? isStorable(value) : typeof value === 'number' ? Number.isFinite(value) : typeof value === 'boolean'
  if (!fine)
    throw wrong(
      filter,
      `compares with a string, a finite number or a boolean, not ${String(value)}; for absent fields use { not: { exists: field } }`,
    )
  return value as FilterValue
}

function wrong(filter: unknown, problem: string): RagError {
  return new RagError('FILTER', `The filter ${JSON.stringify(filter) ?? String(filter)} ${problem}`)
}
