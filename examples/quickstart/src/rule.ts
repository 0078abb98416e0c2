import type { RankingChoice } from '@tesserae/rlhf'

/** What stands in for people, in words; {@link preferred} is the same in code. */
export const rule = 'the answer that speaks more of the sea is better, and of two alike the shorter one'

const words = new Set(
  `anchor blubber boat boats bow captain coast compass crew deck deep dive dives fish harbour harpoon harpooneer harpooneers island keel
   krill mast masts nantucket ocean oceans pequod pod rudder sail sailor sailors sails sea seas ship ships shore spout squid starboard
   stern tide tides voyage water wave waves whale whaler whales whaling wind winds`.split(/\s+/),
)

/** Different words of the sea in a text, so that saying one over and over gains nothing. */
export const seaWords = (text: string): number =>
  new Set((text.toLowerCase().match(/[a-z]+/g) ?? []).filter((word) => words.has(word))).size

/** The rule's ranking of answers. Those that it finds alike keep their order, so it always gives the same one. */
export function preferred(completions: readonly string[]): RankingChoice {
  const order = completions.map((text, index) => ({ index, sea: seaWords(text), length: text.length }))
  order.sort((a, b) => b.sea - a.sea || a.length - b.length)
  const [best, second] = order as [(typeof order)[0], (typeof order)[0]]
  return best.sea === second.sea && best.length === second.length
    ? { kind: 'tie' }
    : { kind: 'order', ranking: order.map(({ index }) => index) }
}
