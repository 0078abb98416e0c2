/** Grammars, whatever they are written in. */
import { LAST_POINT } from './bytes.js'
import { writtenCharacter } from './json-schema/characters.js'
import { Machine } from './machine.js'
import { Masks } from './masks.js'
import { Matcher } from './matcher.js'
import { Nodes, type Node } from './nodes.js'
import { plainBytes, type Vocabulary } from './vocabulary.js'

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

/** A grammar of an expression that a function makes. Throws `GRAMMAR` where no text matches. */
export function compileGrammar(description: string, build: (nodes: Nodes, machine: () => Machine) => Node): Grammar {
  const nodes = new Nodes()
  // Vocabularies keep masks of plain text inside of JSON's quotes.
  const character = writtenCharacter(nodes, [[0, LAST_POINT]])
  return new Grammar(description, new Machine(nodes, (machine) => build(nodes, () => machine), { character, isText: plainBytes }))
}
