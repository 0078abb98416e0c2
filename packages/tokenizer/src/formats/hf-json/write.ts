import { TokenizerError } from '../../errors.js'
import type { MergeTable } from '../../models/bpe/merge-table.js'
import type { ComponentJson } from '../../pipeline/components.js'
import { patternSources } from '../../pretokenizers/create.js'
import type { PatternName } from '../../pretokenizers/pretokenizer.js'
import type { AddedToken } from '../../special-tokens.js'
import type { Vocabulary } from '../../vocabulary.js'
import { writtenForm } from './byte-chars.js'
import type { TokenizerJson } from './schema.js'

/** Merges of real vocabularies have a few million characters; tokens of runs of one letter merge in so many ways that writing them exhausts memory. */
const MAX_MERGED = 2 ** 25

/**
 * @param characters how many the merges have together
 * @throws TokenizerError `UNSUPPORTED` for merges that no file has room for
 */
export function checkMerged(characters: number): void {
  if (characters <= MAX_MERGED) return
  throw new TokenizerError(
    'UNSUPPORTED',
    `A tokenizer.json with the merges of these tokens would have more than ${MAX_MERGED} characters; keep the file that this tokenizer was read from`,
  )
}

interface ByteLevelJson extends ComponentJson {
  readonly type: 'ByteLevel'
}

/** What a byte-level `tokenizer.json` is written from. */
export interface ByteLevelParts {
  readonly vocabulary: Vocabulary
  readonly added: readonly AddedToken[]
  readonly merges: MergeTable
  readonly pattern: PatternName | { readonly source: string }
  readonly ignoreMerges: boolean
}

/** The `tokenizer.json` of a byte-level BPE tokenizer. */
export function writeHuggingFaceJson(parts: ByteLevelParts): TokenizerJson {
  const { vocabulary, added } = parts
  const addedContent = new Map(added.map((token) => [token.id, token.content]))
  const forms: string[] = []
  const vocab: Record<string, number> = {}
  for (let id = 0; id < vocabulary.size; id++) {
    const form = vocabulary.has(id) ? (addedContent.get(id) ?? writtenForm(vocabulary.tokenBytes(id))) : ''
    forms.push(form)
    if (!vocabulary.has(id)) continue
    // Assigning to this one name would be lost; defining every property takes many times as long as assigning.
    if (form === '__proto__') Object.defineProperty(vocab, form, { value: id, enumerable: true, writable: true, configurable: true })
    else vocab[form] = id
  }
  const merges = [...parts.merges.entries()].sort((a, b) => a.rank - b.rank)
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added
      .toSorted((a, b) => a.id - b.id)
      .map(({ id, content, special }) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special })),
    normalizer: null,
    pre_tokenizer: preTokenizerJson(parts.pattern),
    post_processor: null,
    decoder: byteLevel(true),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: parts.ignoreMerges,
      vocab,
      merges: merges.map(({ left, right }) => [forms[left]!, forms[right]!]),
    },
  }
}

function byteLevel(useRegex: boolean): ByteLevelJson {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex }
}

function preTokenizerJson(pattern: PatternName | { readonly source: string }): TokenizerJson['pre_tokenizer'] {
  if (pattern === 'gpt2') return byteLevel(true)
  const source = typeof pattern === 'string' ? patternSources[pattern] : pattern.source
  return {
    type: 'Sequence',
    pretokenizers: [{ type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false }, byteLevel(false)],
  }
}
