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

/** Where more places in texts are known than this, new texts begin with none: a grammar may be kept for as long as a server runs. */
const MOST_PLACES = 50_000

/** What a text may be. Compiled once, and followed by any number of matchers. */
export class Grammar {
  private masks: Masks[] = []

  constructor(
    /** For people. */
    readonly description: string,
    /** The machine that texts are followed with from now on. */
    private readonly current: { machine: Machine },
  ) {}

  /** Follows a text from its beginning, in the tokens of a vocabulary. */
  matcher(vocabulary: Vocabulary): Matcher {
    if (this.current.machine.size > MOST_PLACES) {
      this.current.machine = this.current.machine.renewed()
      this.masks = []
    }
    let masks = this.masks.find((one) => one.vocabulary === vocabulary)
    if (masks === undefined) {
      masks = new Masks(this.current.machine, vocabulary)
      this.masks.push(masks)
      if (this.masks.length > MOST_VOCABULARIES) this.masks.shift()
    }
    return new Matcher(masks)
  }

  /** Whether a whole text follows the grammar. */
  matches(text: string | Uint8Array): boolean {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
    const { machine } = this.current
    let config = machine.start
    for (const byte of bytes) config = machine.step(config, byte)
    return machine.accepts(config)
  }
}

/** A grammar of an expression that a function makes. Throws `GRAMMAR` where no text matches. */
export function compileGrammar(description: string, build: (nodes: Nodes, machine: () => Machine) => Node): Grammar {
  const nodes = new Nodes()
  // Vocabularies keep masks of plain text inside of JSON's quotes.
  const character = writtenCharacter(nodes, [[0, LAST_POINT]])
  const current = {} as { machine: Machine }
  const start = (machine: Machine): Node => {
    current.machine = machine
    return build(nodes, () => current.machine)
  }
  current.machine = new Machine(nodes, start, { character, isText: plainBytes })
  return new Grammar(description, current)
}
