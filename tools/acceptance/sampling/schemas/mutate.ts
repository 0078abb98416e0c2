import type { JsonValue } from '@tesserae/sampling/grammar'

/** A generator of numbers below a limit: the same for the same seed. */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    // Numerical Recipes' linear congruential generator; its high bits are good enough to choose by.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const others: readonly JsonValue[] = [null, true, 0, -1, 1.5, 1e9, '', 'x', 'a longer text, with "quotes"', [], [0], {}, { a: 1 }]

/** A value that differs in one place: a member or item goes, is doubled, is renamed or is another, or a text or number is changed a little. */
export function mutated(value: JsonValue, below: (limit: number) => number): JsonValue {
  if (below(4) === 0) return others[below(others.length)]!
  if (typeof value === 'string') {
    const characters = Array.from(value)
    const at = below(characters.length + 1)
    const added = ['a', 'Z', '0', '-', '_', '.', ' ', 'é', '"'][below(9)]!
    return [characters.toSpliced(at, 1).join(''), characters.toSpliced(at, 0, added).join(''), value + value, value.toUpperCase()][
      below(4)
    ]!
  }
  if (typeof value === 'number') return [value + 1, value - 1, -value, value * 10, value + 0.5, String(value)][below(6)]!
  if (typeof value === 'boolean' || value === null) return others[below(others.length)]!
  if (Array.isArray(value)) {
    const items = value as readonly JsonValue[]
    if (items.length === 0) return [others[below(others.length)]!]
    const at = below(items.length)
    const change = below(6)
    if (change === 0) return items.toSpliced(at, 1)
    if (change === 1) return items.toSpliced(at, 0, items[at]!)
    return items.with(at, mutated(items[at]!, below))
  }
  const members = Object.entries(value as { readonly [name: string]: JsonValue })
  if (members.length === 0) return { added: others[below(others.length)]! }
  const at = below(members.length)
  const [name, one] = members[at]!
  const change = below(8)
  if (change === 0) return Object.fromEntries(members.toSpliced(at, 1))
  if (change === 1) return Object.fromEntries([...members, ['added', others[below(others.length)]!]])
  if (change === 2) return Object.fromEntries([...members.toSpliced(at, 1), [`${name}x`, one]])
  return Object.fromEntries(members.with(at, [name, mutated(one, below)]))
}
