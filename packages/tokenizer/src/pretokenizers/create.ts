import { TokenizerError } from '../errors.js'
import { cl100k } from './cl100k.js'
import { gpt2 } from './gpt2.js'
import type { PatternName, PreTokenizer } from './pretokenizer.js'
import { regexSplit } from './regex.js'

/** The pre-tokenizer of a name or a regular expression. */
export function preTokenizer(pattern: PatternName | RegExp): PreTokenizer {
  if (pattern === 'gpt2') return gpt2()
  if (pattern === 'cl100k' || pattern === 'llama3') return cl100k(pattern)
  if (Object.prototype.toString.call(pattern) === '[object RegExp]') return regexSplit(pattern)
  throw new TokenizerError('VALUE', `A pattern is 'gpt2', 'cl100k', 'llama3' or a RegExp, got ${String(pattern)}`)
}
