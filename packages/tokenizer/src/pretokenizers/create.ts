import { TokenizerError } from '../errors.js'
import { cl100k, cl100kSource, llama3Source, qwen2Source } from './cl100k.js'
import { gpt2, gpt2Source } from './gpt2.js'
import { o200k, o200kSource } from './o200k.js'
import type { PatternName, PreTokenizer } from './pretokenizer.js'
import { regexSplit } from './regex.js'

/** The regular expression of each split that is known by name. */
export const patternSources: Readonly<Record<PatternName, string>> = {
  gpt2: gpt2Source,
  cl100k: cl100kSource,
  llama3: llama3Source,
  qwen2: qwen2Source,
  o200k: o200kSource,
}

/** The same splits as others write them, in every dialect. */
const otherSources: ReadonlyMap<string, PatternName> = new Map([
  [String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`, 'llama3'],
])

/** The same splits as tiktoken writes them. In a `tokenizer.json` these mean something else: there `{1,3}+` repeats a count, and `$` ends a line. */
const fancySources: ReadonlyMap<string, PatternName> = new Map([
  [String.raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s`, 'gpt2'],
  [
    String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`,
    'cl100k',
  ],
])

/** The name of the split that a regular expression of a dialect stands for, or undefined when it is none of the known. */
export function patternNameOf(source: string, dialect: 'oniguruma' | 'fancy'): PatternName | undefined {
  for (const [name, known] of Object.entries(patternSources)) if (known === source) return name as PatternName
  return otherSources.get(source) ?? (dialect === 'fancy' ? fancySources.get(source) : undefined)
}

/** The pre-tokenizer of a known split. */
export function knownSplit(name: PatternName): PreTokenizer {
  switch (name) {
    case 'gpt2':
      return gpt2()
    case 'cl100k':
    case 'llama3':
    case 'qwen2':
      return cl100k(name)
    case 'o200k':
      return o200k()
  }
  const names = Object.keys(patternSources).map((known) => `'${known}'`)
  throw new TokenizerError('VALUE', `A pattern is ${names.join(', ')} or a RegExp, got ${String(name)}`)
}

/** The pre-tokenizer of a name or a regular expression. */
export function preTokenizer(pattern: PatternName | RegExp): PreTokenizer {
  const isRegExp = Object.prototype.toString.call(pattern) === '[object RegExp]'
  return isRegExp ? regexSplit(pattern as RegExp) : knownSplit(pattern as PatternName)
}
