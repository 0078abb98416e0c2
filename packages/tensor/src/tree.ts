import { TensorError } from './errors.js'

/** Nested records and arrays with leaves of one type, as parameters and batches are kept. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> }

/** A plain record or array: what a tree is nested of. Class instances are leaves. */
export function isBranch(value: unknown): value is readonly unknown[] | Record<string, unknown> {
  if (Array.isArray(value)) return true
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Rebuilds a tree with each leaf replaced; `path` is dotted, as in `blocks.0.attention.query`. Keys keep their order. */
export function mapTree<To>(tree: unknown, map: (leaf: unknown, path: string) => To, path = ''): unknown {
  if (Array.isArray(tree)) return tree.map((item, i) => mapTree(item, map, path === '' ? String(i) : `${path}.${i}`))
  if (isBranch(tree)) {
    const out: Record<string, unknown> = {}
    for (const [key, item] of Object.entries(tree)) out[key] = mapTree(item, map, path === '' ? key : `${path}.${key}`)
    return out
  }
  return map(tree, path)
}

/** Visits the leaves in order. */
export function forEachLeaf(tree: unknown, visit: (leaf: unknown, path: string) => void): void {
  mapTree(tree, visit)
}

/** The leaves by dotted path, in order: the names that checkpoints use. */
export function flattenTree<Leaf>(tree: Tree<Leaf>): Map<string, Leaf> {
  const out = new Map<string, Leaf>()
  forEachLeaf(tree, (leaf, path) => out.set(path, leaf as Leaf))
  return out
}

/** Puts leaves back into the nesting of `like`; every path of `like` must be present. */
export function unflattenTree<T>(like: T, leaves: ReadonlyMap<string, unknown>): T {
  return mapTree(like, (_, path) => {
    if (!leaves.has(path))
      throw new TensorError(
        'VALUE',
        `unflattenTree: no leaf is named '${path}'; given ${[...leaves.keys()].slice(0, 8).join(', ')}${leaves.size > 8 ? ', …' : ''}`,
      )
    return leaves.get(path)
  }) as T
}
