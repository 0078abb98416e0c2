/** `@tesserae/sampling/grammar`: what a text may be, so that nothing else is generated. */
export { grammar, type Grammar } from './grammar/grammar.js'
export { grammarStep, type Matcher } from './grammar/matcher.js'
export { Vocabulary, type VocabularyOptions } from './grammar/vocabulary.js'
