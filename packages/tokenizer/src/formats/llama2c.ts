import { ByteTable } from '../byte-table.js'
import { TokenizerError } from '../errors.js'
import { BpePrefixes, TokenPairs } from '../models/bpe/prefixes.js'
import { ScoredBpe } from '../models/bpe/scored.js'
import { reversedTrie, type ByteTrie } from '../models/byte-trie.js'
import { SegmentedText } from '../models/segmented-text.js'
import type { TokenizerParts } from '../parts.js'
import { Vocabulary } from '../vocabulary.js'

/** Longer tokens than any vocabulary has would make the table of merges quadratic in their length. */
const MAX_TOKEN_LENGTH = 128
const MAX_FILE_BYTES = 2 ** 25
const BOS = 1
const EOS = 2
/** Ids 0 to 2 are control tokens, then come the 256 bytes, then ordinary tokens. */
const FIRST_BYTE = 3
const FIRST_ORDINARY = FIRST_BYTE + 256

/**
 * The parts of a tokenizer from llama2.c's `tokenizer.bin`: the length of the longest token (int32), then for each token its score (float32),
 * its length (int32) and its bytes, all little-endian, up to the end of the file.
 *
 * @throws TokenizerError `FILE`, with the offset, when the file is malformed
 */
export function readLlama2c(file: Uint8Array): TokenizerParts {
  const { tokens, scores } = readTokens(file)
  if (tokens.length < FIRST_ORDINARY) {
    throw fail(`should hold ${FIRST_ORDINARY} control and byte tokens at least, got ${tokens.length} tokens`, file.length)
  }
  const byteIds = new Int32Array(256)
  const ascii = new TextDecoder()
  for (let byte = 0; byte < 256; byte++) {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
    const id = FIRST_BYTE + byte
    if (ascii.decode(tokens[id]) !== name) throw fail(`should have ${name} as token ${id}, got ${JSON.stringify(ascii.decode(tokens[id]))}`)
    byteIds[byte] = id
    tokens[id] = Uint8Array.of(byte)
  }
  const special = ['<unk>', '<s>', '</s>'].map((content, id) => {
    // The exporter writes line breaks around the names.
    if (ascii.decode(tokens[id]).trim() !== content)
      throw fail(`should have ${content} as token ${id}, got ${JSON.stringify(ascii.decode(tokens[id]))}`)
    tokens[id] = new TextEncoder().encode(content)
    return { content, id, special: true }
  })

  const table = new ByteTable(tokens.length)
  const ids: number[] = []
  for (let id = FIRST_ORDINARY; id < tokens.length; id++) {
    const token = tokens[id]!
    // Of two equal tokens the first is used.
    if (table.add(token, 0, token.length) === ids.length) ids.push(id)
  }
  // llama2.c puts a blank in front of a text and joins only what are tokens already.
  const segmenter = new ScoredBpe({
    pieces: table,
    ids: Int32Array.from(ids),
    scores: Float32Array.from(ids, (id) => scores[id]!),
    joinUnknown: false,
    blank: Uint8Array.of(0x20),
  })
  return {
    vocabulary: new Vocabulary(tokens),
    model: new SegmentedText(segmenter, byteIds, () => {
      const reversed = reversedTrie(ids.map((id) => [tokens[id]!, id]))
      if (reversed === undefined) return undefined
      const pairs = pairsOf(segmenter, reversed)
      return () => new BpePrefixes(pairs)
    }),
    added: special,
    bosId: BOS,
    eosId: EOS,
    prefix: [BOS],
    stripAfterBos: true,
    write: () => {
      throw new TokenizerError(
        'UNSUPPORTED',
        'A tokenizer from a llama2.c file cannot be written as tokenizer.json; keep the original file',
      )
    },
  }
}

function pairsOf(segmenter: ScoredBpe, reversed: ByteTrie): TokenPairs {
  return new TokenPairs({
    reversed,
    byBytes: false,
    ends: (bytes, start, end) => segmenter.symbolEnds(bytes, start, end),
    unknown: (length) => length, // one token for each byte
  })
}

function readTokens(file: Uint8Array): { tokens: Uint8Array[]; scores: number[] } {
  if (file.length > MAX_FILE_BYTES) throw fail(`is larger than ${MAX_FILE_BYTES} bytes, got ${file.length}`)
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.length < 4) throw fail(`is too short for its header, got ${file.length} bytes`, 0)
  const longest = view.getInt32(0, true)
  if (longest < 1 || longest > MAX_TOKEN_LENGTH)
    throw fail(`should begin with a token length from 1 to ${MAX_TOKEN_LENGTH}, got ${longest}`, 0)
  const tokens: Uint8Array[] = []
  const scores: number[] = []
  for (let at = 4; at < file.length;) {
    if (at + 8 > file.length) throw fail(`ends inside the header of token ${tokens.length}`, at)
    const score = view.getFloat32(at, true)
    const length = view.getInt32(at + 4, true)
    if (Number.isNaN(score)) throw fail(`has a score that is not a number for token ${tokens.length}`, at)
    if (length < 0 || length > longest)
      throw fail(`should give token ${tokens.length} a length from 0 to ${longest}, got ${length}`, at + 4)
    at += 8
    if (at + length > file.length) throw fail(`ends inside token ${tokens.length}`, at)
    scores.push(score)
    tokens.push(file.slice(at, at + length))
    at += length
  }
  return { tokens, scores }
}

function fail(what: string, position?: number): TokenizerError {
  const where = position === undefined ? '' : ` (at byte ${position})`
  return new TokenizerError('FILE', `The llama2.c tokenizer file ${what}${where}`, position === undefined ? {} : { position })
}
