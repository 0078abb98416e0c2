import { KeyAutomaton } from '../added-vocab/automaton.js'
import type { EncodeOptions } from '../core-tokenizer.js'
import { IdList } from '../id-list.js'
import { ByteLevelBpe } from '../models/bpe/byte-level.js'
import { BpePrefixes, TokenPairs } from '../models/bpe/prefixes.js'
import { PADDING } from '../models/bpe/piece-table.js'
import { reversedTrie } from '../models/byte-trie.js'
import type { TokenizerParts } from '../parts.js'
import { Pipeline } from '../pipeline/pipeline.js'
import type { Counting } from './limits.js'
import { PieceStretch } from './long-piece.js'
import { SteadyStretch } from './steady-stretch.js'
import type { Stretch } from './stretch.js'
import { textCuts } from './text-cuts.js'

/** How the texts of a tokenizer are counted. */
export function countingOf(parts: TokenizerParts, { count, tokenize }: Pick<Counting, 'count' | 'tokenize'>): Counting {
  const added = parts.pipeline instanceof Pipeline ? parts.pipeline.parts.added.tokens : parts.added
  const cuts = textCuts(parts)
  const finders = new Map<boolean, KeyAutomaton>()
  return {
    count,
    tokenize,
    cuts,
    stretch: stretchesOf(parts, count, cuts?.anchor === ''),
    longestAdded: added.reduce((longest, { content }) => Math.max(longest, content.length), 1),
    hasAdded: (text, { special }) => {
      const all = special !== 'text'
      let finder = finders.get(all)
      if (finder === undefined) {
        finders.set(all, (finder = new KeyAutomaton(added.filter((token) => all || !token.special).map(({ content }) => content))))
      }
      return finder.find(text).length > 0
    },
  }
}

function stretchesOf(parts: TokenizerParts, count: Counting['count'], bySplit: boolean): Counting['stretch'] {
  const { model, pipeline } = parts
  const rules = pipeline === undefined ? model.growing : pipeline.growing
  if (rules !== undefined) return (begins) => new SteadyStretch(rules, begins)
  if (!bySplit || !(model instanceof ByteLevelBpe) || typeof model.split.pattern !== 'string') return undefined
  const { pattern } = model.split
  // Made when a text asks for them; null for a vocabulary that does not allow it.
  let pairs: TokenPairs | null | undefined
  return (): Stretch =>
    new PieceStretch({
      pattern,
      pieceEnds: (text, out) => model.pieceEnds(text, out),
      count: (text) => count(text, PLAIN),
      prefixes: () => ((pairs ??= byteLevelPairs(parts, model) ?? null) === null ? undefined : new BpePrefixes(pairs)),
    })
}

const PLAIN: EncodeOptions = { special: 'text', addSpecial: false }

function byteLevelPairs({ vocabulary }: TokenizerParts, model: ByteLevelBpe): TokenPairs | undefined {
  const ids = Array.from({ length: vocabulary.size }, (_, id) => id).filter((id) => vocabulary.starts[id] !== vocabulary.starts[id + 1])
  const reversed = reversedTrie(ids.map((id) => [vocabulary.tokenBytes(id), id]))
  if (reversed === undefined) return undefined
  return new TokenPairs({
    reversed,
    byBytes: true,
    ends: (bytes, start, end) => {
      const length = end - start
      const piece = new Uint8Array(length + PADDING)
      piece.set(bytes.subarray(start, end))
      const ids = new IdList()
      model.merger.merge(piece, new DataView(piece.buffer), 0, length, ids)
      let at = start
      return Array.from(ids.toArray(), (id) => (at += vocabulary.starts[id + 1]! - vocabulary.starts[id]!))
    },
    unknown: () => 1,
  })
}
