import type { ComponentJson, LayoutPart, PostProcessor } from '../pipeline/components.js'

/** A place of a template as it is written: one of the texts, or a special token by its name. */
export type TemplatePiece =
  | { readonly Sequence: { readonly id: 'A' | 'B'; readonly type_id: number } }
  | { readonly SpecialToken: { readonly id: string; readonly type_id: number } }

export interface TemplateToken {
  readonly id: string
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
}

/** Texts and special tokens in the order that two templates give, for one text and for two. */
export class TemplateProcessing implements PostProcessor {
  private readonly single: readonly LayoutPart[]
  private readonly pair: readonly LayoutPart[]

  /** @param tokens every special token that the templates name */
  constructor(
    private readonly singleTemplate: readonly TemplatePiece[],
    private readonly pairTemplate: readonly TemplatePiece[],
    private readonly tokens: ReadonlyMap<string, TemplateToken>,
  ) {
    const part = (piece: TemplatePiece): LayoutPart => {
      if ('Sequence' in piece) {
        const index = piece.Sequence.id === 'A' ? 0 : 1
        // Hugging Face's gives the template's types to what stays of a text, and leaves its own ones to what overflows.
        return { kind: 'sequence', index, typeId: piece.Sequence.type_id, overflowTypeId: index }
      }
      const token = tokens.get(piece.SpecialToken.id)!
      return { kind: 'special', ids: token.ids, tokens: token.tokens, typeId: piece.SpecialToken.type_id }
    }
    this.single = singleTemplate.map(part)
    this.pair = pairTemplate.map(part)
  }

  layout(pair: boolean): readonly LayoutPart[] {
    return pair ? this.pair : this.single
  }

  toJSON(): ComponentJson {
    const tokens = [...this.tokens].sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      type: 'TemplateProcessing',
      single: this.singleTemplate,
      pair: this.pairTemplate,
      special_tokens: Object.fromEntries(tokens),
    }
  }
}
