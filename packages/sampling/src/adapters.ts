/** `@tesserae/sampling/adapters`: grammars in the hands of other libraries that run models. */
export {
  llamaGenerate,
  llamaVocabulary,
  type LlamaGenerateOptions,
  type NodeLlamaModel,
  type NodeLlamaSequence,
} from './adapters/node-llama-cpp.js'
export {
  transformersProcessor,
  transformersVocabulary,
  type GrammarLogitsProcessor,
  type TokenizersJsTokenizer,
  type TransformersJsTensor,
  type TransformersJsTokenizer,
} from './adapters/transformers-js.js'
