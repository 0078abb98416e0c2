import type { LayoutPart, TokenSequence } from '../pipeline/components.js'
import type { TruncationRule } from '../pipeline/limits.js'
import { TokenizerError } from '../errors.js'
import { Encoding, SourceText, type EncodingPart, type OffsetUnit } from './encoding.js'
import { truncatedRanges, type TokenRange } from './truncate.js'

/**
 * The encoding of one text or two: truncated, with special tokens around. Overflowing encodings combine every stretch of the first text with every stretch of
 * the second, as in Hugging Face tokenizers.
 *
 * @param layout the texts and special tokens in order
 * @throws TokenizerError `VALUE` when truncation leaves no place for the special tokens, or its rule does not fit
 */
export function assemble(
  sequences: readonly TokenSequence[],
  layout: readonly LayoutPart[],
  options: { readonly unit: OffsetUnit; readonly truncation: TruncationRule | undefined },
): Encoding {
  const sources = sequences.map((sequence) => new SourceText(sequence))
  const { unit, truncation } = options
  const lengths = sequences.map(({ ids }) => ids.length)
  const ranges: readonly TokenRange[][] =
    truncation === undefined
      ? lengths.map((to) => [{ from: 0, to }])
      : truncatedRanges(lengths, truncation.maxLength - addedBy(layout, truncation.maxLength), truncation)
  const encodingOf = (chosen: readonly TokenRange[], rest?: () => readonly Encoding[]): Encoding => {
    const parts = layout.map((part): EncodingPart => {
      if (part.kind === 'special') return part
      const { index, typeId, overflowTypeId = typeId } = part
      const range = chosen[index]!
      const stays = range === ranges[index]![0]
      return { kind: 'sequence', source: sources[index]!, index, typeId: stays ? typeId : overflowTypeId, ...range }
    })
    return new Encoding(parts, unit, rest)
  }
  // Texts in the order of the layout: stretches of the one that comes first vary last.
  const order = [...new Set(layout.flatMap((part) => (part.kind === 'sequence' ? [part.index] : [])))]
  const main = ranges.map((each) => each[0]!)
  return encodingOf(main, () => {
    const [before, after] = order
    if (before === undefined) return []
    const combined: Encoding[] = []
    const choose = (i: number, j: number): void => {
      const chosen = [...main]
      chosen[before] = ranges[before]![i]!
      if (after !== undefined) chosen[after] = ranges[after]![j]!
      combined.push(encodingOf(chosen))
    }
    const afterCount = after === undefined ? 1 : ranges[after]!.length
    for (let i = 1; i < ranges[before]!.length; i++) for (let j = 0; j < afterCount; j++) choose(i, j)
    for (let j = 1; j < afterCount; j++) choose(0, j)
    return combined
  })
}

function addedBy(layout: readonly LayoutPart[], maxLength: number): number {
  const added = layout.reduce((sum, part) => sum + (part.kind === 'special' ? part.ids.length : 0), 0)
  if (added > maxLength) {
    throw new TokenizerError('VALUE', `truncation: maxLength holds the ${added} special tokens that are added, got ${maxLength}`)
  }
  return added
}
