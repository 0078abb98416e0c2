export type { EncodingData, EncodingName } from './encodings/encoding-data.js'
export { TokenizerError, type TokenizerErrorCode } from './errors.js'
export type { ChatMessage, RenderChatOptions } from './chat/apply.js'
export type { TemplateLimits } from './chat/limits.js'
export type { Encoding, OffsetUnit } from './encoding/encoding.js'
export type { Healed } from './encoding/heal.js'
export type { TokenCounter } from './encoding/limits.js'
export type { BatchOptions, EncodeWithOffsetsOptions, PaddingOptions, TruncationOptions } from './encoding/options.js'
export type { GgufMetadata } from './formats/gguf/metadata.js'
export type { TokenizerConfig } from './formats/hf-json/read.js'
export type { TokenizerJson } from './formats/hf-json/schema.js'
export type { SentencePieceOptions } from './formats/sentencepiece/read.js'
export type { TiktokenOptions } from './formats/tiktoken/read.js'
export type { PatternName } from './pretokenizers/pretokenizer.js'
export type { SpecialPolicy } from './special-tokens.js'
export type { StreamDecoder } from './stream-decoder.js'
export { CoreTokenizer } from './core-tokenizer.js'
export { TextTokenizer } from './text-tokenizer.js'
export type { ChatTemplateOptions, MaskedChat } from './text-tokenizer.js'
export { Tokenizer, type DecodeOptions, type EncodeOptions } from './tokenizer.js'
export {
  trainBpe,
  type ByteLevelBpeOptions,
  type CharacterBpeOptions,
  type CharacterOptions,
  type TrainBpeOptions,
} from './train/bpe.js'
export type { ComponentSpec } from './train/components.js'
export type { Texts } from './train/count-pieces.js'
export type { TrainingOptions } from './train/training-options.js'
export { trainWordPiece, type TrainWordPieceOptions } from './train/wordpiece.js'
