/** What may come over and over where a text stands: of that, tokens need not be looked at byte by byte. */
import { ByteSet } from './bytes.js'
import type { CharacterSet } from './character-set.js'
import type { Heads } from './heads.js'
import type { Node, Nodes } from './nodes.js'
import { CUT, END, type Rest, type Rests } from './rests.js'

/** What may come up to so many times: bytes, characters that stand for themselves, or the characters that are told apart (undefined). */
export interface Loop {
  readonly set: ByteSet | CharacterSet | undefined
  readonly room: number
  /** Whether of texts of nothing else all that are longer must not come. */
  readonly isOnly: boolean
}

/** A character that may come over and over, in any of its forms. */
interface Whole<T = ByteSet | CharacterSet> {
  readonly set: T
  /** Whether it is the characters that are told apart. */
  readonly isTold: boolean
  readonly room: number
  /** One for each of its forms. */
  readonly heads: readonly number[]
  /** The repetition. */
  readonly rest: Rest
}

const NO_LOOPS: readonly Loop[] = []
/** Bytes of a character behind its first. */
const MOST_FOLLOWERS = 3

export class Loops {
  constructor(
    private readonly nodes: Nodes,
    private readonly rests: Rests,
    private readonly heads: Heads,
    /** The characters that are told apart. */
    private readonly character: Node | undefined,
  ) {}

  of(heads: readonly number[]): readonly Loop[] {
    const loops = new Map<Loop['set'], Loop>()
    const add = (set: Loop['set'], room: number, isOnly: boolean): void => {
      const known = loops.get(set)
      loops.set(set, known === undefined ? { set, room, isOnly } : { set, room: Math.max(room, known.room), isOnly: false })
    }
    const whole = new Set<number>()
    for (const one of this.wholes(heads)) {
      add(one.isTold ? undefined : one.set, one.room, this.isOnly(one, heads))
      for (const id of one.heads) whole.add(id)
    }
    for (const id of heads) {
      const { bytes, set, rest, room } = this.heads.get(id)
      if (whole.has(id)) continue
      if (room > 0) add(undefined, room, false)
      if (set === undefined || rest === END || rest === CUT) continue
      const next = this.nodes.data[this.rests.nodeOf(rest)]
      if (next?.kind !== 'repeat') continue
      const item = this.nodes.data[next.item]!
      const isItem = next.item === bytes
      if (!isItem && !(item.kind === 'choice' && item.nodes.includes(bytes))) continue
      const loop = { set, isTold: false, room: next.max + 1, heads: [id], rest }
      add(set, loop.room, isItem && this.isOnly(loop, heads))
    }
    return loops.size === 0 ? NO_LOOPS : [...loops.values()]
  }

  /** Whether nothing else that may come, here or behind, begins as what is repeated does. */
  private isOnly({ set, room, heads, rest }: Whole, all: readonly number[]): boolean {
    if (room === Infinity) return false
    const isOther = (other: ByteSet | undefined): boolean => {
      if (other === undefined) return false
      if (set instanceof ByteSet) return !set.meets(other)
      for (const byte of other) if (byte >= 128 || set.has(byte)) return false
      return true
    }
    const next = this.rests.nextOf(rest)
    const behind = this.nodes.data[this.rests.nodeOf(next)]
    if (next !== END && !(behind?.kind === 'bytes' && isOther(behind.set))) return false
    return all.every((id) => heads.includes(id) || isOther(this.heads.get(id).set))
  }

  /** The characters that may come over and over, each in any of its forms with the same behind it. */
  wholes(heads: readonly number[]): Whole<CharacterSet>[] {
    const found: Whole<CharacterSet>[] = []
    const looked = new Set<Rest>()
    for (const id of heads) {
      const head = this.heads.get(id)
      if (head.set === undefined) continue
      // The repetition is at most so far behind the first byte of one of its characters.
      let rest = head.rest
      for (let far = 0; far <= MOST_FOLLOWERS && rest !== END && rest !== CUT; far++, rest = this.rests.nextOf(rest)) {
        if (looked.has(rest)) continue
        looked.add(rest)
        const node = this.rests.nodeOf(rest)
        const repeat = this.nodes.data[node]
        // One turn of a repetition is no repetition any more.
        const [item, max] = repeat?.kind === 'repeat' ? [repeat.item, repeat.max] : [node, 1]
        const set = this.nodes.characterSets.get(item)
        const isTold = item === this.character
        const forms = set === undefined ? undefined : this.formsOf(item, rest, isTold ? max + 1 : 0, heads)
        if (forms !== undefined) found.push({ set: set!, isTold, room: max + 1, heads: forms, rest })
      }
    }
    return found
  }

  /** The heads of an expression of one character with something behind it; undefined where it may not come in each of its forms. */
  private formsOf(item: Node, behind: Rest, room: number, heads: readonly number[]): number[] | undefined {
    const forms: number[] = []
    const data = this.nodes.data[item]!
    for (const form of data.kind === 'choice' ? data.nodes : [item]) {
      const way = this.nodes.data[form]!
      const [first, rest] = way.kind === 'sequence' ? [way.first, this.rests.push(way.second, behind)] : [form, behind]
      const id = this.heads.find(first, rest, room)
      if (id === undefined || !heads.includes(id)) return undefined
      forms.push(id)
    }
    return forms
  }
}
