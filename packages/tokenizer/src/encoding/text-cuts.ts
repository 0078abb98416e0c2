import type { TokenizerParts } from '../parts.js'
import { Pipeline } from '../pipeline/pipeline.js'
import { isSafeCut, isWordUnit } from './safe-cuts.js'

/** Where a text may be cut so that its tokens are those of its parts. */
export interface TextCuts {
  /** Whether what stands before `at` and what begins there may be encoded on their own; both hold whatever the text goes on with. */
  isCut(text: string, at: number): boolean
  /**
   * What a part that does not begin the text is to be encoded behind, because what begins a text may be treated in a way of its own. Its tokens are those that it has
   * alone.
   */
  readonly anchor: string
}

/** The cuts of a tokenizer's texts, or undefined where none are known. */
export function textCuts({ model, pipeline, added, stripAfterBos }: TokenizerParts): TextCuts | undefined {
  const contents = pipeline instanceof Pipeline ? pipeline.parts.added.tokens : added
  if (model.knownSplit === true && stripAfterBos !== true) {
    const plain = pipeline === undefined || (pipeline instanceof Pipeline && pipeline.parts.normalizer === undefined)
    const strips =
      pipeline instanceof Pipeline && pipeline.parts.added.tokens.some((token) => token.lstrip || token.rstrip || token.singleWord)
    if (plain && !strips) return cutsBy(isSafeCut, '', contents)
  }
  if (pipeline?.cutsAtBlanks !== true) return undefined
  // Behind an added token text begins anew, so there may be no cut where one ends.
  if (contents.some(({ content }) => isWordUnit(content.charCodeAt(content.length - 1)))) return undefined
  return cutsBy((text, at) => text.charCodeAt(at) === BLANK && isWordUnit(text.charCodeAt(at - 1)), 'a', contents)
}

/** Cuts where `isPlace` holds, but not inside added tokens or what could become one at the end of the text. */
function cutsBy(isPlace: TextCuts['isCut'], anchor: string, added: readonly { readonly content: string }[]): TextCuts {
  const inside: { readonly content: string; readonly offset: number }[] = []
  for (const { content } of added) {
    for (let offset = 1; offset < content.length; offset++) if (isPlace(content, offset)) inside.push({ content, offset })
  }
  const isInside = (text: string, at: number): boolean =>
    inside.some(({ content, offset }) => {
      const from = at - offset
      if (from < 0) return false
      return text.length - from >= content.length ? text.startsWith(content, from) : content.startsWith(text.slice(from))
    })
  return { isCut: (text, at) => at > 0 && isPlace(text, at) && !isInside(text, at), anchor }
}

const BLANK = 0x20
