import { TokenizerError } from '../../errors.js'
import { MAX_MERGES } from '../../models/bpe/merge-table.js'
import { ByteTrie } from '../../models/byte-trie.js'
import { charLength } from '../../models/segments.js'
import { PieceType } from './model-proto.js'
import type { Pieces } from './pieces.js'

/** Merges of real vocabularies have a million characters in all; a file with very many long pieces would exhaust memory. */
const MAX_CHARACTERS = 2 ** 27

/** The error for what a tokenizer read from a file says and a `tokenizer.json` cannot. */
export const cannotSay = (what: string): TokenizerError =>
  new TokenizerError('UNSUPPORTED', `A tokenizer.json cannot say ${what}; keep the file that this tokenizer was read from`)

/**
 * Every way to join two pieces to a third, by falling score of what they make. Where scores are equal SentencePiece joins the leftmost two, which lists of merges cannot
 * say but of runs of one character: there the longest left one comes first, for it has grown from the left.
 *
 * @throws TokenizerError `UNSUPPORTED`
 */
export function mergesOf(pieces: Pieces): [string, string][] {
  const { scores } = pieces.list
  const normal = pieces.ofType(PieceType.normal)
  const merging = normal.filter((id) => pieces.bytes(id).length > charLength(pieces.bytes(id)[0]!))
  merging.sort((a, b) => scores[b]! - scores[a]!)
  for (let i = 1; i < merging.length; i++) {
    const [before, form] = [pieces.form(merging[i - 1]!), pieces.form(merging[i]!)]
    if (scores[merging[i - 1]!] !== scores[merging[i]!] || (isRun(form) && isRun(before))) continue
    throw cannotSay(`two pieces of one score, ${JSON.stringify(before)} and ${JSON.stringify(form)}`)
  }
  checkCharacters(pieces, normal, merging)
  const splits = splitsOf(pieces, normal, merging)
  let count = 0
  let characters = 0
  for (const [i, id] of merging.entries()) {
    count += splits[i]!.length
    characters += splits[i]!.length * pieces.bytes(id).length
  }
  if (count > MAX_MERGES || characters > MAX_CHARACTERS) {
    throw cannotSay(`${count} merges with ${characters} characters; at most ${MAX_MERGES} and ${MAX_CHARACTERS} are written`)
  }
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  const merges = merging.flatMap((id, i) => {
    const bytes = pieces.bytes(id)
    return splits[i]!.map((at) => {
      const pair: [string, string] = [utf8.decode(bytes.subarray(0, at)), utf8.decode(bytes.subarray(at))]
      return { pair, score: scores[id]! }
    })
  })
  merges.sort((a, b) => b.score - a.score || b.pair[0].length - a.pair[0].length || b.pair[1].length - a.pair[1].length)
  return merges.map(({ pair }) => pair)
}

/** For each piece the places where both sides are pieces, in bytes from its beginning: what begins it is found in one trie, what ends it in another of reversed pieces. */
function splitsOf(pieces: Pieces, normal: readonly number[], merging: readonly number[]): number[][] {
  const beginnings = trieOf(normal.map((id) => pieces.bytes(id)))
  const begun = merging.map((id) => endsIn(beginnings, pieces.bytes(id)))
  const endings = trieOf(normal.map((id) => pieces.bytes(id).toReversed()))
  return merging.map((id, i) => {
    const bytes = pieces.bytes(id)
    const ended = new Set(endsIn(endings, bytes.toReversed()).map((at) => bytes.length - at))
    return begun[i]!.filter((at) => ended.has(at))
  })
}

function trieOf(keys: readonly Uint8Array[]): ByteTrie {
  const trie = new ByteTrie()
  for (const [i, key] of keys.entries()) trie.set(key, i)
  return trie
}

/** How many bytes each key has that these begin with. */
function endsIn(trie: ByteTrie, bytes: Uint8Array): number[] {
  const ends: number[] = []
  let node = 0
  for (let i = 0; i < bytes.length; i++) {
    node = trie.child(node, bytes[i]!)
    if (node === 0) break
    if (trie.values[node]! >= 0) ends.push(i + 1)
  }
  return ends
}

/** SentencePiece joins characters that are no pieces to pieces, which merges cannot say. */
function checkCharacters(pieces: Pieces, normal: readonly number[], merging: readonly number[]): void {
  const known = new Set(normal.map((id) => pieces.form(id)))
  for (const id of merging) {
    for (const character of pieces.form(id)) {
      if (known.has(character)) continue
      throw cannotSay(`the piece ${JSON.stringify(pieces.form(id))}, whose character ${JSON.stringify(character)} is no piece of its own`)
    }
  }
}

/** Whether a text is one character again and again. */
function isRun(text: string): boolean {
  const [first] = text
  return text === first!.repeat(text.length / first!.length)
}
