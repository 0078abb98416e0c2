/** Grammars: what a text may be, so that nothing else is generated. */
import { SamplingError } from '../errors.js'
import { Machine } from './machine.js'
import { Masks, Matcher } from './matcher.js'
import { Nodes, type Node } from './nodes.js'
import { regexNode } from './regex.js'
import type { Vocabulary } from './vocabulary.js'

/** Masks are kept for so many vocabularies. */
const MOST_VOCABULARIES = 8

/** What a text may be. Compiled once, and followed by any number of matchers. */
export class Grammar {
  private readonly masks: Masks[] = []

  constructor(
    /** For people. */
    readonly description: string,
    private readonly machine: Machine,
  ) {}

  /** Follows a text from its beginning, in the tokens of a vocabulary. */
  matcher(vocabulary: Vocabulary): Matcher {
    let masks = this.masks.find((one) => one.vocabulary === vocabulary)
    if (masks === undefined) {
      masks = new Masks(this.machine, vocabulary)
      this.masks.push(masks)
      if (this.masks.length > MOST_VOCABULARIES) this.masks.shift()
    }
    return new Matcher(masks)
  }

  /** Whether a whole text follows the grammar. */
  matches(text: string | Uint8Array): boolean {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
    let config = this.machine.start
    for (const byte of bytes) config = this.machine.step(config, byte)
    return this.machine.accepts(config)
  }
}

function compile(description: string, build: (nodes: Nodes) => Node): Grammar {
  const nodes = new Nodes()
  return new Grammar(description, new Machine(nodes, build(nodes)))
}

export const grammar = {
  /**
   * Texts in which a regular expression finds a match, as ECMAScript writes them with the flag `u`: all of the text for `^…$`.
   *
   * @example
   * const date = grammar.fromRegex('^\\d{4}-\\d{2}-\\d{2}$')
   * const matcher = date.matcher(vocabulary)
   * @throws SamplingError `GRAMMAR` for what is no regular expression, for back references, word boundaries, looking behind, and where no text matches
   */
  fromRegex: (source: string): Grammar => compile(`/${source}/`, (nodes) => regexNode(nodes, source)),

  /** One of some texts. Throws `GRAMMAR` for none. */
  choice(texts: readonly string[]): Grammar {
    if (texts.length === 0) throw new SamplingError('GRAMMAR', 'A choice needs at least one text, got none')
    return compile(`one of ${texts.length} texts`, (nodes) => nodes.choice(...texts.map((text) => nodes.literal(text))))
  },
}
