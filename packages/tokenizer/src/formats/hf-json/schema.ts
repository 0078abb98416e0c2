/** An entry of `added_tokens`. */
export interface AddedTokenJson {
  id: number
  content: string
  single_word: boolean
  lstrip: boolean
  rstrip: boolean
  normalized: boolean
  special: boolean
}

/** The byte-level step of a `tokenizer.json`. */
export interface ByteLevelJson {
  type: 'ByteLevel'
  add_prefix_space: boolean
  trim_offsets: boolean
  use_regex: boolean
}

export interface SplitJson {
  type: 'Split'
  pattern: { Regex: string }
  behavior: 'Isolated'
  invert: boolean
}

/** A `tokenizer.json` as this package writes it: byte-level BPE. */
export interface TokenizerJson {
  version: '1.0'
  truncation: null
  padding: null
  added_tokens: AddedTokenJson[]
  normalizer: null
  pre_tokenizer: ByteLevelJson | { type: 'Sequence'; pretokenizers: (SplitJson | ByteLevelJson)[] }
  post_processor: null
  decoder: ByteLevelJson
  model: {
    type: 'BPE'
    dropout: null
    unk_token: null
    continuing_subword_prefix: null
    end_of_word_suffix: null
    fuse_unk: boolean
    byte_fallback: boolean
    ignore_merges: boolean
    vocab: Record<string, number>
    merges: [string, string][]
  }
}
