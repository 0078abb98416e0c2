import type { ComponentJson } from '../../pipeline/components.js'

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

export interface TruncationJson {
  direction: 'Left' | 'Right'
  max_length: number
  strategy: 'LongestFirst' | 'OnlyFirst' | 'OnlySecond'
  stride: number
}

export interface PaddingJson {
  strategy: 'BatchLongest' | { Fixed: number }
  direction: 'Left' | 'Right'
  pad_to_multiple_of: number | null
  pad_id: number
  pad_type_id: number
  pad_token: string
}

/** A `tokenizer.json` as this package writes it. */
export interface TokenizerJson {
  version: '1.0'
  truncation: TruncationJson | null
  padding: PaddingJson | null
  added_tokens: AddedTokenJson[]
  normalizer: ComponentJson | null
  pre_tokenizer: ComponentJson | null
  post_processor: ComponentJson | null
  decoder: ComponentJson | null
  model: ModelJson
}

/** `type` names the model; fields that are not listed are its own. */
export interface ModelJson {
  type: string
  /** Ids by token; for Unigram tokens and their scores in the order of ids. */
  vocab: Record<string, number>
  /** Of BPE. */
  merges?: [string, string][]
  [name: string]: unknown
}
