import { CharsMap } from '../../normalizers/charsmap.js'
import { Precompiled } from '../../normalizers/precompiled.js'
import type { ComponentJson } from '../../pipeline/components.js'
import { AlignedText } from '../../text/aligned.js'
import { graphemeEnd } from '../../unicode/graphemes.js'
import { writeAdded } from '../hf-json/read-added.js'
import type { ModelJson, TokenizerJson } from '../hf-json/schema.js'
import { cannotSay, mergesOf } from './merges.js'
import { PieceType, type ModelType } from './model-proto.js'
import { SentencePieceNormalizer } from './normalizer.js'
import type { Pieces } from './pieces.js'
import type { SentencePieceParts } from './text-pipeline.js'
import { pathScores } from './unigram-scores.js'

const SIGN = '\u2581'
const WHERE = 'SentencePiece model: the file'

/** What a tokenizer of SentencePiece pieces is besides its parts. */
export interface PiecesForm {
  readonly type: ModelType
  /** Whether the blank that is added stands behind the text. */
  readonly suffix: boolean
}

/**
 * The `tokenizer.json` of a tokenizer of SentencePiece pieces. In Hugging Face's, names of control tokens and bytes in a text become these tokens, the rules of
 * normalization are applied to user-perceived characters (as its `Precompiled` does), and scores are added up in double precision.
 *
 * @throws TokenizerError `UNSUPPORTED` for what it has no components for
 */
export function hfFormOf(parts: SentencePieceParts, form: PiecesForm): TokenizerJson {
  const { pieces, added, postProcessor, decoding } = parts
  const { spec } = parts.normalizer
  if (form.suffix && spec.addDummyPrefix) throw cannotSay('a blank that is put behind texts')
  if (decoding.denormalizer !== undefined) throw cannotSay('rules of denormalization')
  if (spec.charsmap !== undefined) checkRules(spec.charsmap)
  const unused = pieces.ofType(PieceType.unused)
  if (unused.length > 0) throw cannotSay(`unused pieces such as ${JSON.stringify(pieces.form(unused[0]!))}`)
  // Those that are cut out of the text as it is given are added tokens there too; with a sign for a blank they are found once it is written so.
  const symbols = pieces.ofType(PieceType.userDefined).filter((id) => !added.byId.has(id) || pieces.form(id).includes(SIGN))
  checkSymbols(parts, form, symbols)
  const late = new Set(form.type === 'bpe' ? symbols : [])
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: writeAdded([
      ...added.tokens.filter(({ id }) => !late.has(id)),
      // Looked for in the normalized text, as SentencePiece does; in a unigram model their scores see to that.
      ...[...late].map((id) => ({
        id,
        content: pieces.form(id),
        singleWord: false,
        lstrip: false,
        rstrip: false,
        normalized: true,
        special: false,
      })),
    ]),
    normalizer: normalizerOf(parts),
    pre_tokenizer: null,
    post_processor: postProcessor?.toJSON() ?? null,
    decoder: decoderOf(parts),
    model: modelOf(pieces, form.type),
  }
}

/**
 * Hugging Face's `Precompiled` looks at one user-perceived character at a time, so rules for several have to say the same as those for each. Only those with ASCII
 * matter: Unicode's normal forms have others, such as for jamo of half width, which all conversions to its format leave out.
 */
function checkRules(charsmap: Uint8Array): void {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  const rules = new CharsMap(charsmap, WHERE)
  const theirs = new Precompiled(base64(charsmap), WHERE)
  for (const key of rules.keys()) {
    const text = utf8.decode(key)
    if (graphemeEnd(text, 0) === text.length || key.every((byte) => byte >= 0x80)) continue
    rules.longest(key, 0, key.length)
    const replacement = utf8.decode(rules.replacements.subarray(rules.from, rules.to))
    if (theirs.normalize(AlignedText.of(text, { track: false })).text !== replacement) {
      throw cannotSay(`a rule of normalization for more than one user-perceived character, ${JSON.stringify(text)}`)
    }
  }
}

/** User-defined symbols are found in the text as it is given and again once it is normalized; there is only one such place in a tokenizer.json. */
function checkSymbols({ pieces, normalizer }: SentencePieceParts, { type }: PiecesForm, symbols: readonly number[]): void {
  if (symbols.length === 0) return
  if (type === 'bpe' && normalizer.spec.addDummyPrefix) {
    throw cannotSay(`user-defined symbols such as ${JSON.stringify(pieces.form(symbols[0]!))} beside a blank that is put in front of texts`)
  }
  const bare = { ...normalizer.spec, addDummyPrefix: false, removeExtraWhitespaces: false }
  const rules = new SentencePieceNormalizer(bare, { suffix: false, where: WHERE })
  for (const id of symbols) {
    const bytes = pieces.bytes(id)
    rules.normalize(bytes, bytes.length, false, false)
    if (rules.length !== bytes.length || bytes.some((byte, at) => rules.bytes[at] !== byte)) {
      throw cannotSay(`the user-defined symbol ${JSON.stringify(pieces.form(id))}, which normalization would change`)
    }
  }
}

function normalizerOf({ normalizer: { spec } }: SentencePieceParts): ComponentJson | null {
  const blank = spec.escapeWhitespaces ? SIGN : ' '
  const steps: ComponentJson[] = []
  if (spec.charsmap !== undefined) steps.push({ type: 'Precompiled', precompiled_charsmap: base64(spec.charsmap) })
  if (spec.removeExtraWhitespaces) {
    steps.push(replace({ Regex: ' {2,}' }, ' '), replace({ Regex: '\\A ' }, ''), replace({ Regex: `[ ${blank}]+\\z` }, ''))
  }
  if (spec.addDummyPrefix) steps.push({ type: 'Prepend', prepend: blank })
  if (spec.escapeWhitespaces) steps.push(replace({ String: ' ' }, blank))
  return steps.length === 0 ? null : { type: 'Sequence', normalizers: steps }
}

function decoderOf({ pieces, decoding, normalizer: { spec } }: SentencePieceParts): ComponentJson {
  return {
    type: 'Sequence',
    decoders: [
      replace({ String: pieces.form(pieces.unknownId) }, decoding.unknownSurface),
      replace({ String: SIGN }, ' '),
      ...(pieces.byteIds.length > 0 ? [{ type: 'ByteFallback' }] : []),
      { type: 'Fuse' },
      ...(decoding.dropBlank === 'no' || !spec.addDummyPrefix ? [] : [{ type: 'Strip', content: ' ', start: 1, stop: 0 }]),
    ],
  }
}

const replace = (pattern: { readonly String: string } | { readonly Regex: string }, content: string): ComponentJson => ({
  type: 'Replace',
  pattern,
  content,
})

function modelOf(pieces: Pieces, type: ModelType): ModelJson {
  const byteFallback = pieces.byteIds.length > 0
  const forms = Array.from({ length: pieces.size }, (_, id) => pieces.form(id))
  const ids = new Map(forms.map((form, id) => [form, id]))
  if (ids.size < forms.length) {
    const twice = forms.find((form, id) => ids.get(form) !== id)!
    throw cannotSay(`two tokens that are written ${JSON.stringify(twice)}`)
  }
  if (type === 'unigram') {
    const { scores } = pathScores(pieces)
    const vocab = forms.map((form, id) => [form, scores[id]!])
    return { type: 'Unigram', unk_id: pieces.unknownId, vocab: vocab as unknown as ModelJson['vocab'], byte_fallback: byteFallback }
  }
  if (type !== 'bpe') throw cannotSay(`a model of type ${type}`)
  return {
    type: 'BPE',
    dropout: null,
    unk_token: forms[pieces.unknownId]!,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: byteFallback,
    ignore_merges: false,
    vocab: Object.assign(Object.create(null) as Record<string, number>, Object.fromEntries(ids)),
    merges: mergesOf(pieces),
  }
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 0x2000) text += String.fromCharCode(...bytes.subarray(at, at + 0x2000))
  return btoa(text)
}
