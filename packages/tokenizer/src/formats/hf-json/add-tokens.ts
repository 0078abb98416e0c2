import type { PostProcessor } from '../../pipeline/components.js'
import type { Pipeline } from '../../pipeline/pipeline.js'
import { ByteLevelProcessing } from '../../postprocessors/byte-level.js'
import { ProcessorSequence } from '../../postprocessors/sequence.js'
import { TemplateProcessing, type TemplatePiece, type TemplateToken } from '../../postprocessors/template.js'
import { fail } from './json.js'
import { tokenName, type TokenizerConfig } from './read-config.js'

/**
 * The post-processor of a tokenizer: that of the file, or, where that adds nothing and the configuration says `add_bos_token` or
 * `add_eos_token`, one that adds these.
 */
export function framedByConfig(
  given: PostProcessor | undefined,
  config: TokenizerConfig | undefined,
  pipeline: Pipeline,
): PostProcessor | undefined {
  const [bos, eos] = [config?.add_bos_token === true, config?.add_eos_token === true]
  const frames = given !== undefined && given.layout(false).some((part) => part.kind === 'special')
  if (config === undefined || frames || (!bos && !eos)) return given
  const tokens = new Map<string, TemplateToken>()
  const special = (name: 'bos_token' | 'eos_token', typeId: number): TemplatePiece => {
    const content = tokenName(config as Readonly<Record<string, unknown>>, name)
    const id = content === undefined ? undefined : pipeline.tokenToId(content)
    if (content === undefined || id === undefined) {
      throw fail(`${name} of the configuration`, 'a token of the vocabulary, because it is to be added', content)
    }
    tokens.set(content, { id: content, ids: [id], tokens: [content] })
    return { SpecialToken: { id: content, type_id: typeId } }
  }
  const text = (id: 'A' | 'B', typeId: number): TemplatePiece[] => [
    ...(bos ? [special('bos_token', typeId)] : []),
    { Sequence: { id, type_id: typeId } },
    ...(eos ? [special('eos_token', typeId)] : []),
  ]
  const template = new TemplateProcessing(text('A', 0), [...text('A', 0), ...text('B', 1)], tokens)
  return given instanceof ByteLevelProcessing ? new ProcessorSequence([given, template]) : template
}
