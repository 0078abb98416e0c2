import { AddedVocabulary } from '../../added-vocab/added-vocabulary.js'
import type { TokenizerParts } from '../../parts.js'
import { TemplateProcessing, type TemplatePiece, type TemplateToken } from '../../postprocessors/template.js'
import { Vocabulary } from '../../vocabulary.js'
import { hfFormOf, type PiecesForm } from './hf-form.js'
import { PieceType } from './model-proto.js'
import type { Pieces } from './pieces.js'
import type { SentencePiecePipeline } from './text-pipeline.js'

/** The tokens of these types as tokens that are found in text; user-defined ones always, the others where the policy lets them. */
export function addedOf(pieces: Pieces, types: readonly number[], stripsRight: (form: string) => boolean = () => false): AddedVocabulary {
  const rules = pieces.ofType(...types).map((id) => {
    const content = pieces.form(id)
    const special = pieces.typeOf(id) !== PieceType.userDefined
    return { id, content, special, singleWord: false, lstrip: false, rstrip: stripsRight(content), normalized: false }
  })
  return new AddedVocabulary(rules, undefined)
}

/** Puts these tokens in front of every text and behind it; undefined for none. */
export function frameOf(pieces: Pieces, before: number | undefined, behind: number | undefined): TemplateProcessing | undefined {
  if (before === undefined && behind === undefined) return undefined
  const tokens = new Map<string, TemplateToken>()
  const special = (id: number | undefined, typeId: number): TemplatePiece[] => {
    if (id === undefined) return []
    const form = pieces.form(id)
    tokens.set(form, { id: form, ids: [id], tokens: [form] })
    return [{ SpecialToken: { id: form, type_id: typeId } }]
  }
  const framed = (id: 'A' | 'B', typeId: number): TemplatePiece[] => [
    ...special(before, typeId),
    { Sequence: { id, type_id: typeId } },
    ...special(behind, typeId),
  ]
  return new TemplateProcessing(framed('A', 0), [...framed('A', 0), ...framed('B', 1)], tokens)
}

/** What a tokenizer is made of, around a pipeline. */
export function partsOf(
  pipeline: SentencePiecePipeline,
  form: PiecesForm,
  given: Pick<TokenizerParts, 'bosId' | 'eosId' | 'padId' | 'chatTemplates'>,
): TokenizerParts {
  const { pieces, added } = pipeline.parts
  let vocabulary: Vocabulary | undefined
  return {
    pipeline,
    get vocabulary() {
      return (vocabulary ??= new Vocabulary(Array.from({ length: pieces.size }, (_, id) => bytesOf(pieces, id))))
    },
    model: { encode: (text, out) => pipeline.encode(text, 'text', out) },
    added: added.tokens,
    unkId: pieces.unknownId,
    ...given,
    write: () => hfFormOf(pipeline.parts, form),
  }
}

/** What a token stands for inside a text. */
function bytesOf(pieces: Pieces, id: number): Uint8Array {
  const byte = pieces.byteOf[id]!
  if (byte >= 0) return Uint8Array.of(byte)
  const type = pieces.typeOf(id)
  if (type === PieceType.control || type === PieceType.unknown) return pieces.bytes(id)
  return new TextEncoder().encode(pieces.form(id).replaceAll('\u2581', ' '))
}
