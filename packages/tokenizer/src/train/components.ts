import { TokenizerError } from '../errors.js'
import { readDecoder } from '../formats/hf-json/read-decoder.js'
import { readNormalizer } from '../formats/hf-json/read-normalizer.js'
import { readPreTokenizer } from '../formats/hf-json/read-pre-tokenizer.js'
import type { ComponentJson, Normalizer, PieceSplitter } from '../pipeline/components.js'

/**
 * A component of a `tokenizer.json`: as it is written there, but fields may be left out where Hugging Face's Python library has a default; its type alone where all
 * have one, such as `'NFKC'`; several, one after another.
 */
export type ComponentSpec = string | (ComponentJson & { readonly type: string }) | readonly ComponentSpec[]

type Kind = 'normalizer' | 'preTokenizer' | 'decoder'

const sequenceField: Readonly<Record<Kind, string>> = { normalizer: 'normalizers', preTokenizer: 'pretokenizers', decoder: 'decoders' }

const metaspace = { replacement: '▁', prepend_scheme: 'always', split: true }
const byteLevel = { add_prefix_space: true, trim_offsets: true, use_regex: true }

/** The defaults of Hugging Face's Python library. */
const defaults: Readonly<Record<Kind, Readonly<Record<string, ComponentJson>>>> = {
  normalizer: {
    BertNormalizer: { clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    Strip: { strip_left: true, strip_right: true },
  },
  preTokenizer: {
    ByteLevel: byteLevel,
    CharDelimiterSplit: {},
    Digits: { individual_digits: false },
    Metaspace: metaspace,
    Punctuation: { behavior: 'Isolated' },
    Split: { invert: false },
  },
  decoder: {
    BPEDecoder: { suffix: '</w>' },
    ByteLevel: byteLevel,
    CTC: { pad_token: '<pad>', word_delimiter_token: '|', cleanup: true },
    Metaspace: metaspace,
    WordPiece: { prefix: '##', cleanup: true },
  },
}

/** The component in the form of a `tokenizer.json`, null for none. */
export function componentJson(kind: Kind, spec: ComponentSpec | null | undefined): ComponentJson | null {
  if (spec === undefined || spec === null) return null
  if (isList(spec)) return { type: 'Sequence', [sequenceField[kind]]: spec.map((part) => componentJson(kind, part)) }
  const given: ComponentJson = typeof spec === 'string' ? { type: spec } : spec
  const type = given['type']
  const filled = typeof type === 'string' && Object.hasOwn(defaults[kind], type) ? defaults[kind][type] : {}
  return { ...given, ...filled, ...given }
}

/** @throws TokenizerError `VALUE` for what is no normalizer */
export const normalizerOf = (json: ComponentJson | null): Normalizer | undefined => named('normalizer', () => readNormalizer(json))

/** @throws TokenizerError `VALUE` for what is no pre-tokenizer */
export const splitterOf = (json: ComponentJson | null): PieceSplitter | undefined =>
  named('preTokenizer', () => readPreTokenizer(json, false))

/** @throws TokenizerError `VALUE` for what is no decoder */
export function checkDecoder(json: ComponentJson | null): void {
  named('decoder', () => readDecoder(json))
}

/** The first part of a type that a component has. */
export function partOf(json: ComponentJson | null, type: string): ComponentJson | undefined {
  if (json === null || json['type'] === type) return json ?? undefined
  for (const parts of Object.values(json)) {
    if (!Array.isArray(parts)) continue
    for (const part of parts as readonly ComponentJson[]) {
      const found = partOf(part, type)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** Components whose work on a text does not depend on what lies beyond a blank; of the pre-tokenizers those that also cut there. */
const local = {
  normalizer: new Set(['BertNormalizer', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents']),
  preTokenizer: new Set(['BertPreTokenizer', 'Metaspace', 'Whitespace', 'WhitespaceSplit']),
}

/** Whether a text cut before a blank, behind a visible character of ASCII, has the same pieces as its parts. */
export function endsAtBlanks(normalizer: ComponentJson | null, preTokenizer: ComponentJson | null): boolean {
  const normalizers = normalizer === null ? [] : ((normalizer['normalizers'] as readonly ComponentJson[] | undefined) ?? [normalizer])
  const ends = local.preTokenizer.has(String(preTokenizer?.['type'])) && preTokenizer?.['split'] !== false
  return ends && normalizers.every((part) => local.normalizer.has(String(part['type'])))
}

const isList = (spec: ComponentSpec): spec is readonly ComponentSpec[] => Array.isArray(spec)

/** Readers of files speak of files; here an option is wrong. */
function named<T>(kind: Kind, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error
    throw new TokenizerError('VALUE', `The option ${kind} is a component as in a tokenizer.json, or several: ${error.message}`, {
      cause: error,
    })
  }
}
