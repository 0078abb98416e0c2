/** Where rows go in a cache. */
import type { Value } from '../../../graph/node.js'
import type { Dim } from '../../../shape.js'
import type { EmitContext } from './context.js'
import type { Name } from './model-builder.js'
import { INT64 } from './onnx-type.js'

export interface Placement {
  /** Coordinates in the cache, int64 [B, H, T, 3]. */
  readonly places: Name
  /** Coordinates of the rows that are written there; undefined for one row. */
  readonly sources: Name | undefined
  /** Whether any row fits, bool [B or 1, 1, 1, 1]. */
  readonly fits: Name
}

/**
 * Where rows go. Those beyond the capacity are dropped: instead of them the nearest row that fits is written once more,
 * and where none fits, what the cache already holds.
 */
export function placement(
  context: EmitContext,
  positions: Value,
  [b, h, t, c]: readonly [batch: number, heads: number, tokens: Dim, capacity: number],
): Placement {
  const key = `placement|${context.forward(positions).name}|${b}|${h}|${context.size(t)}|${c}`
  const make = (part: string, build: () => Name): Name => context.once(`${key}|${part}`, build)
  const number = (value: number): Name => context.scalar(value, INT64)
  const clamp = (name: Name, low: Name, high: Name): Name => context.node('Max', [context.node('Min', [name, high]), low])
  const position = make('position', () => context.node('Reshape', [context.as(positions, INT64), context.ints([-1, 1, 1, 1])]))
  const end = typeof t === 'number' ? number(t - 1) : make('end', () => context.node('Sub', [context.size(t), context.ints([1])]))
  const line = make('line', () => {
    if (typeof t === 'number')
      return context.builder.constant(
        Array.from({ length: t }, (_, i) => i),
        [1, 1, t, 1],
        INT64,
      )
    const count = context.node('Squeeze', [context.size(t)])
    return context.node('Reshape', [context.node('Range', [number(0), count, number(1)]), context.ints([1, 1, -1, 1])])
  })
  const first = make('first', () => context.node('Max', [context.node('Neg', [position]), number(0)]))
  const last = make('last', () => context.node('Min', [context.node('Sub', [number(c - 1), position]), end]))
  const row = t === 1 ? line : make('row', () => clamp(clamp(line, first, last), number(0), end))
  const slot = make('slot', () => clamp(context.node('Add', [position, row]), number(0), number(c - 1)))
  const coordinates = (along: Name): Name => {
    const base: number[] = []
    for (let i = 0; i < b; i++) for (let j = 0; j < h; j++) base.push(i, j, 0)
    return context.node('Add', [context.builder.constant(base, [b, h, 1, 3], INT64), context.node('Mul', [along, context.ints([0, 0, 1])])])
  }
  return {
    places: make('places', () => coordinates(slot)),
    sources: t === 1 ? undefined : make('sources', () => coordinates(row)),
    fits: make('fits', () => context.node('Not', [context.node('Less', [last, first])])),
  }
}
