import type { Metadata, MetadataValue } from '../document.js'
import { compareCodePoints } from '../order.js'
import { parseFilter, type FilterNode } from './check.js'
import type { Filter, FilterValue } from './types.js'

/** What filters look at. */
export interface Filterable {
  readonly sourceId: string
  readonly metadata: Metadata
}

/** Compiles a filter to a predicate. Errors: FILTER. */
export function compileFilter(filter: Filter): (item: Filterable) => boolean {
  return compile(parseFilter(filter))
}

/** Whether a source or chunk satisfies a filter. Errors: FILTER. */
export function matches(filter: Filter, item: Filterable): boolean {
  return compileFilter(filter)(item)
}

type Predicate = (item: Filterable) => boolean

function compile(node: FilterNode): Predicate {
  switch (node.op) {
    case 'and': {
      const parts = node.filters.map(compile)
      return (item) => parts.every((part) => part(item))
    }
    case 'or': {
      const parts = node.filters.map(compile)
      return (item) => parts.some((part) => part(item))
    }
    case 'not': {
      const part = compile(node.filter)
      return (item) => !part(item)
    }
    case 'exists':
      return (item) => read(item, node.field) !== undefined
    case 'eq':
      return (item) => read(item, node.field) === node.value
    case 'ne':
      return (item) => read(item, node.field) !== node.value
    case 'in': {
      const values = new Set<unknown>(node.values)
      return (item) => values.has(read(item, node.field))
    }
    case 'contains':
      return (item) => contains(read(item, node.field), node.value)
    case 'gt':
      return ordered(node, (order) => order > 0)
    case 'gte':
      return ordered(node, (order) => order >= 0)
    case 'lt':
      return ordered(node, (order) => order < 0)
    case 'lte':
      return ordered(node, (order) => order <= 0)
    default:
      return node satisfies never
  }
}

function ordered(node: { readonly field: string; readonly value: string | number }, accept: (order: number) => boolean): Predicate {
  return (item) => {
    const found = read(item, node.field)
    if (typeof found === 'number' && typeof node.value === 'number') return accept(found - node.value)
    if (typeof found === 'string' && typeof node.value === 'string') return accept(compareCodePoints(found, node.value))
    return false
  }
}

function contains(found: MetadataValue | undefined, value: FilterValue): boolean {
  if (typeof found === 'string') return typeof value === 'string' && found.includes(value)
  return Array.isArray(found) && (found as readonly FilterValue[]).includes(value)
}

/** Undefined where the field is absent or null. */
function read({ sourceId, metadata }: Filterable, field: string): Exclude<MetadataValue, null> | undefined {
  if (field === '$source') return sourceId
  return Object.hasOwn(metadata, field) ? (metadata[field] ?? undefined) : undefined
}
