/** How many characters an expression takes, and the part of it that takes so many. */
import { EMPTY, NOTHING, type Node, type Nodes } from './nodes.js'

/** Expressions are looked into so deep. */
const MOST_DEEP = 200

/** A number of characters, from the least to the most. */
type Length = readonly [least: number, most: number]

/**
 * What an expression of characters matches that has from `min` to `max` of them, without counting them beside it: that takes the expression and the count as one, of whose places there are as many as both have
 * together. Undefined where more than one part of a sequence may be of several lengths.
 *
 * @param isCharacter whether an expression is of one character
 */
export function ofLength(nodes: Nodes, node: Node, min: number, max: number, isCharacter: (node: Node) => boolean): Node | undefined {
  const known = new Map<Node, Length | undefined>()
  const lengthOf = (one: Node, deep: number): Length | undefined => {
    if (deep > MOST_DEEP) return undefined
    if (known.has(one)) return known.get(one)
    const length = find(one, deep + 1)
    known.set(one, length)
    return length
  }
  const find = (one: Node, deep: number): Length | undefined => {
    if (isCharacter(one)) return [1, 1]
    const data = nodes.data[one]!
    switch (data.kind) {
      case 'empty':
        return [0, 0]
      case 'sequence': {
        const [first, second] = [lengthOf(data.first, deep), lengthOf(data.second, deep)]
        return first && second && [first[0] + second[0], first[1] + second[1]]
      }
      case 'choice': {
        let both: Length | undefined
        for (const way of data.nodes) {
          const length = lengthOf(way, deep)
          if (length === undefined) return undefined
          both = both === undefined ? length : [Math.min(both[0], length[0]), Math.max(both[1], length[1])]
        }
        return both
      }
      case 'repeat': {
        const item = lengthOf(data.item, deep)
        return item && [item[0] * data.min, item[1] === 0 ? 0 : item[1] * data.max]
      }
      default:
        return undefined
    }
  }
  const bound = (one: Node, least: number, most: number, deep: number): Node | undefined => {
    const length = lengthOf(one, deep)
    if (length === undefined || deep > MOST_DEEP) return undefined
    if (length[0] >= least && length[1] <= most) return one
    if (length[1] < least || length[0] > most) return NOTHING
    const data = nodes.data[one]!
    switch (data.kind) {
      case 'choice': {
        const ways: Node[] = []
        for (const way of data.nodes) {
          const bounded = bound(way, least, most, deep + 1)
          if (bounded === undefined) return undefined
          ways.push(bounded)
        }
        return nodes.choice(...ways)
      }
      case 'repeat': {
        const item = lengthOf(data.item, deep)!
        if (item[0] !== item[1]) return undefined
        const [from, to] = [Math.max(data.min, Math.ceil(least / item[0])), Math.min(data.max, Math.floor(most / item[0]))]
        return from > to ? NOTHING : nodes.repeat(data.item, from, to)
      }
      case 'sequence': {
        const [first, second] = [lengthOf(data.first, deep)!, lengthOf(data.second, deep)!]
        if (first[0] === first[1]) {
          const rest = bound(data.second, least - first[0], most - first[0], deep + 1)
          return rest === undefined ? undefined : nodes.sequence(data.first, rest)
        }
        if (second[0] !== second[1]) return undefined
        const before = bound(data.first, least - second[0], most - second[0], deep + 1)
        return before === undefined ? undefined : nodes.sequence(before, data.second)
      }
      default:
        return undefined
    }
  }
  return node === EMPTY || node === NOTHING ? (min > 0 ? NOTHING : node) : bound(node, min, max, 0)
}
