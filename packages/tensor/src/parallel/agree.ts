import { hashString } from '@tesserae/core'
import { PeerError } from '../errors.js'
import type { GroupCallOptions, ProcessGroup } from './group.js'

/**
 * Makes sure that all ranks hold the same facts: the shapes of weights by their names, settings. Only a hash is exchanged while they agree. `about` says what the facts are of, in messages.
 *
 * Errors: PEER, on all ranks, naming the lowest rank that differs from rank 0, the first such fact, and what both have.
 */
export async function agreeOn(
  group: ProcessGroup,
  about: string,
  facts: ReadonlyMap<string, string>,
  options: GroupCallOptions = {},
): Promise<void> {
  const text = JSON.stringify([...facts])
  const bytes = new TextEncoder().encode(text)
  const [low, high] = hashString(text)
  const heads = await group.allGather(Int32Array.of(bytes.length, low, high), options)
  const lengths = Array.from({ length: group.size }, (_, rank) => heads[3 * rank]!)
  if (heads.every((value, i) => value === heads[i % 3])) return
  const room = Math.max(...lengths)
  const padded = new Uint8Array(room)
  padded.set(bytes)
  const all = await group.allGather(padded, options)
  const factsOf = (rank: number): Map<string, string> =>
    new Map(JSON.parse(new TextDecoder().decode(all.subarray(rank * room, rank * room + lengths[rank]!))) as [string, string][])
  const first = factsOf(0)
  for (let rank = 1; rank < group.size; rank++) {
    const difference = firstDifference(first, factsOf(rank))
    if (difference === undefined) continue
    const { name, here, there } = difference
    throw new PeerError(
      `${about}: ${name} is ${there ?? 'absent'} on rank ${rank} and ${here ?? 'absent'} on rank 0; all ranks have to be given the same`,
      [rank],
      'differs',
    )
  }
}

function firstDifference(
  one: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
): { name: string; here: string | undefined; there: string | undefined } | undefined {
  for (const name of new Set([...one.keys(), ...other.keys()])) {
    const [here, there] = [one.get(name), other.get(name)]
    if (here !== there) return { name, here, there }
  }
  // The same facts in another order: the order of parameters is the order of their exchange.
  const [a, b] = [[...one.keys()], [...other.keys()]]
  const at = a.findIndex((name, i) => name !== b[i])
  return at < 0 ? undefined : { name: `no. ${at + 1} in order`, here: a[at], there: b[at] }
}
