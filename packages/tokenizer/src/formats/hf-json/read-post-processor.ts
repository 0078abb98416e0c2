import type { PostProcessor } from '../../pipeline/components.js'
import { ByteLevelProcessing } from '../../postprocessors/byte-level.js'
import { BertProcessing, RobertaProcessing, type NamedToken } from '../../postprocessors/framed.js'
import { ProcessorSequence } from '../../postprocessors/sequence.js'
import { TemplateProcessing, type TemplatePiece, type TemplateToken } from '../../postprocessors/template.js'
import { checkId, checkText, ComponentFields, own } from './fields.js'
import { fail, isRecord, unsupported } from './json.js'

/** A template with more parts than this is no template. */
const MAX_PARTS = 1024
/** Nor is one that has a text more often than this, each time with all its tokens, or more special tokens. */
const MAX_REPEATS = 4
const MAX_ADDED = 4096

/** The `post_processor` of a file. */
export function readPostProcessor(value: unknown): PostProcessor | undefined {
  return value === undefined || value === null ? undefined : processorOf(new ComponentFields(value, 'post_processor'))
}

function processorOf(fields: ComponentFields): PostProcessor {
  switch (fields.type) {
    case 'BertProcessing':
      return new BertProcessing(readNamed(fields, 'sep'), readNamed(fields, 'cls'))
    case 'RobertaProcessing':
      return new RobertaProcessing(
        readNamed(fields, 'sep'),
        readNamed(fields, 'cls'),
        fields.boolean('trim_offsets'),
        fields.boolean('add_prefix_space'),
      )
    case 'ByteLevel':
      return new ByteLevelProcessing(
        fields.boolean('add_prefix_space', true),
        fields.boolean('trim_offsets', true),
        fields.boolean('use_regex', true),
      )
    case 'TemplateProcessing':
      return readTemplates(fields)
    case 'Sequence': {
      const processors = fields.components('processors').map(processorOf)
      const frames = processors.filter((processor) => !(processor instanceof ByteLevelProcessing))
      if (frames.length > 1 || frames[0] instanceof ProcessorSequence) {
        throw unsupported(`${fields.where}, a Sequence with more than one post-processor that adds tokens`)
      }
      return new ProcessorSequence(processors)
    }
    default:
      throw unsupported(`${fields.where} ${fields.type}`)
  }
}

function readNamed(fields: ComponentFields, name: string): NamedToken {
  const [token, id] = fields.list(name)
  return [checkText(token, `${fields.where}.${name}[0]`), checkId(id, `${fields.where}.${name}[1]`)]
}

function readTemplates(fields: ComponentFields): TemplateProcessing {
  const tokens = new Map<string, TemplateToken>()
  const given = fields.get('special_tokens')
  if (!isRecord(given)) throw fail(`${fields.where}.special_tokens`, 'an object', given)
  for (const [name, value] of Object.entries(given)) {
    const where = `${fields.where}.special_tokens[${JSON.stringify(name)}]`
    const ids = isRecord(value) ? own(value, 'ids') : undefined
    const forms = isRecord(value) ? own(value, 'tokens') : undefined
    if (!Array.isArray(ids) || !Array.isArray(forms) || ids.length !== forms.length || ids.length > MAX_PARTS) {
      throw fail(where, 'an object with as many ids as tokens', value)
    }
    tokens.set(name, {
      id: name,
      ids: Array.from(ids as unknown[], (id, i) => checkId(id, `${where}.ids[${i}]`)),
      tokens: Array.from(forms as unknown[], (form, i) => checkText(form, `${where}.tokens[${i}]`)),
    })
  }
  const read = (name: string): TemplatePiece[] => {
    const parts = fields.list(name)
    if (parts.length > MAX_PARTS) throw fail(`${fields.where}.${name}`, `at most ${MAX_PARTS} parts`, parts.length)
    const pieces = parts.map((value, i) => readPiece(value, `${fields.where}.${name}[${i}]`, tokens))
    checkSize(pieces, tokens, `${fields.where}.${name}`)
    return pieces
  }
  return new TemplateProcessing(read('single'), read('pair'), tokens)
}

function checkSize(pieces: readonly TemplatePiece[], tokens: ReadonlyMap<string, TemplateToken>, where: string): void {
  const texts = { A: 0, B: 0 }
  let added = 0
  for (const piece of pieces) {
    if ('Sequence' in piece) texts[piece.Sequence.id]++
    else added += tokens.get(piece.SpecialToken.id)!.ids.length
  }
  const most = Math.max(texts.A, texts.B)
  if (most > MAX_REPEATS) throw unsupported(`${where}, which has a text ${most} times; at most ${MAX_REPEATS} are taken`)
  if (added > MAX_ADDED) throw unsupported(`${where}, which adds ${added} special tokens; at most ${MAX_ADDED} are taken`)
}

function readPiece(value: unknown, where: string, tokens: ReadonlyMap<string, TemplateToken>): TemplatePiece {
  const sequence = isRecord(value) ? own(value, 'Sequence') : undefined
  if (isRecord(sequence)) {
    const id = own(sequence, 'id')
    if (id !== 'A' && id !== 'B') throw fail(`${where}.Sequence.id`, 'A or B', id)
    if (id === 'B' && where.includes('.single[')) throw fail(`${where}.Sequence.id`, 'A, the only text that a single template has', id)
    return { Sequence: { id, type_id: checkId(own(sequence, 'type_id'), `${where}.Sequence.type_id`) } }
  }
  const special = isRecord(value) ? own(value, 'SpecialToken') : undefined
  if (!isRecord(special)) throw fail(where, 'an object with Sequence or SpecialToken', value)
  const id = own(special, 'id')
  if (typeof id !== 'string' || !tokens.has(id)) throw fail(`${where}.SpecialToken.id`, 'one of special_tokens', id)
  return { SpecialToken: { id, type_id: checkId(own(special, 'type_id'), `${where}.SpecialToken.type_id`) } }
}
