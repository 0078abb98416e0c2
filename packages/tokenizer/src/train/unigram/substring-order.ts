import { inSlices, type Pause } from '../pauses.js'

/**
 * The places of a text in the order of the substrings that begin there, compared by their first `depth` symbols or more: a suffix array as far as it is needed.
 * Ranks are doubled in length by counting sorts, so the time is that of the text's length times log₂ `depth`, whatever the text.
 *
 * Source: U. Manber, G. Myers, "Suffix Arrays: A New Method for On-Line String Searches", 1990.
 *
 * @param symbols from 0 to `alphabet` − 1
 */
export async function substringOrder(symbols: Int32Array, alphabet: number, depth: number, pause: Pause): Promise<Uint32Array> {
  const { length } = symbols
  let ranks = symbols
  let ranked = alphabet
  let order = new Uint32Array(length)
  let other = new Uint32Array(length)
  const nextRanks = [new Int32Array(length), new Int32Array(length)]
  const ends = new Uint32Array(Math.max(alphabet, length) + 1)

  /** Puts the places given in `from` in the order of their ranks, keeping the order among equals. */
  const sort = async (from: ((at: number) => number) | undefined): Promise<void> => {
    ends.fill(0, 0, ranked + 1)
    await inSlices(length, pause, (start, stop) => {
      for (let i = start; i < stop; i++) ends[ranks[i]! + 1]!++
    })
    for (let rank = 0; rank < ranked; rank++) ends[rank + 1]! += ends[rank]!
    await inSlices(length, pause, (start, stop) => {
      for (let i = start; i < stop; i++) {
        const place = from === undefined ? i : from(i)
        other[ends[ranks[place]!]!++] = place
      }
    })
    ;[order, other] = [other, order]
  }

  await sort(undefined)
  const shifted = new Uint32Array(length)
  for (let half = 1; half < depth; half *= 2) {
    // By the second half first: places without one come before all others, the rest stand in the order that is known.
    let filled = 0
    for (let i = Math.max(0, length - half); i < length; i++) shifted[filled++] = i
    await inSlices(length, pause, (start, stop) => {
      for (let i = start; i < stop; i++) if (order[i]! >= half) shifted[filled++] = order[i]! - half
    })
    await sort((i) => shifted[i]!)
    const next = nextRanks[0] === ranks ? nextRanks[1]! : nextRanks[0]!
    let rank = -1
    let first = -1
    let second = -1
    await inSlices(length, pause, (start, stop) => {
      for (let i = start; i < stop; i++) {
        const place = order[i]!
        const a = ranks[place]!
        const b = place + half < length ? ranks[place + half]! : -1
        if (a !== first || b !== second || rank < 0) rank++
        first = a
        second = b
        next[place] = rank
      }
    })
    ranks = next
    ranked = rank + 1
    if (ranked === length) break
  }
  return order
}
