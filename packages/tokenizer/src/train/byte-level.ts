import { ByteTable } from '../byte-table.js'
import { TokenizerError } from '../errors.js'
import { byteOrder, bytesOf } from '../formats/hf-json/byte-chars.js'
import { writeHuggingFaceJson } from '../formats/hf-json/write.js'
import { byteLevelOfMerges } from '../models/bpe/of-merges.js'
import { preTokenizer } from '../pretokenizers/create.js'
import type { AddedToken } from '../special-tokens.js'
import { Tokenizer } from '../tokenizer.js'
import { Vocabulary } from '../vocabulary.js'
import type { ByteLevelBpeOptions } from './bpe.js'
import { countPieces, type PieceCounter, type Texts } from './count-pieces.js'
import { ScannerCutter } from './cutters.js'
import { learnMerges, type GrowingTokens } from './learn-merges.js'
import { MemoryLimit } from './memory-limit.js'
import type { PieceSymbols } from './merge-corpus.js'
import { pauses } from './pauses.js'
import { checkTraining } from './training-options.js'

/** Byte-level BPE; see `trainBpe`. */
export async function trainByteLevel(texts: Texts, options: ByteLevelBpeOptions): Promise<Tokenizer> {
  const { pattern = 'gpt2', vocabSize = 30_000, minFrequency = 2, specialTokens: special = [], signal, onProgress } = options
  checkTraining(options, vocabSize, 256, '256 bytes and the special tokens')
  if (!(minFrequency >= 1)) throw new TokenizerError('VALUE', `minFrequency must be 1 or more, got ${String(minFrequency)}`)
  special.forEach(checkNoBytes)
  const memory = new MemoryLimit(options.maxMemory)
  const pause = pauses(signal)
  const split = preTokenizer(pattern)

  const counter = await countPieces(texts, new ScannerCutter(split), { special, memory, signal, pause, onProgress })
  const byteIds = new Int32Array(256)
  for (const [id, byte] of byteOrder.entries()) byteIds[byte] = id
  const tokens = new ByteTokens(vocabSize)
  const merges = await learnMerges(byteSymbols(counter, byteIds), tokens, {
    size: vocabSize - special.length,
    minFrequency,
    memory,
    pause,
    onProgress,
  })

  const added: AddedToken[] = special.map((content, index) => ({ content, id: tokens.size + index, special: true }))
  const vocabulary = new Vocabulary([...tokens.list, ...special.map((content) => new TextEncoder().encode(content))])
  const idOf = (name: string | undefined) => added.find(({ content }) => content === name)?.id
  return new Tokenizer({
    vocabulary,
    model: byteLevelOfMerges(split, byteIds, merges),
    added,
    bosId: idOf(options.bosToken),
    eosId: idOf(options.eosToken),
    write: () => writeHuggingFaceJson({ vocabulary, added, merges, pattern, ignoreMerges: false }),
  })
}

/** A tokenizer.json writes tokens as text, where a special token must not be taken for a byte or a part of a character. */
function checkNoBytes(content: string): void {
  if (bytesOf(content) === undefined || (content.length > 1 && !/[^!-~]/.test(content))) return
  throw new TokenizerError(
    'VALUE',
    `The special token ${JSON.stringify(content)} could be mistaken for bytes in a tokenizer.json; put it in <| |>`,
  )
}

function byteSymbols({ pieces, counts, memory }: PieceCounter, byteIds: Int32Array): PieceSymbols {
  return {
    size: pieces.size,
    length: pieces.starts[pieces.size]!,
    counts,
    memory,
    write(piece, cells, at) {
      const end = pieces.starts[piece + 1]!
      for (let i = pieces.starts[piece]!; i < end; i++) cells[at++] = byteIds[pieces.arena[i]!]!
      return at
    },
  }
}

/** Tokens by their bytes; the first 256 are the bytes themselves. */
class ByteTokens implements GrowingTokens {
  readonly list: Uint8Array[] = byteOrder.map((byte) => Uint8Array.of(byte))
  private readonly known: ByteTable

  constructor(expected: number) {
    this.known = new ByteTable(expected)
    for (const token of this.list) this.known.add(token, 0, 1)
  }

  get size(): number {
    return this.list.length
  }

  join(left: number, right: number): number {
    const [first, second] = [this.list[left]!, this.list[right]!]
    const joined = new Uint8Array(first.length + second.length)
    joined.set(first)
    joined.set(second, first.length)
    // Two ways may lead to the same bytes; they are one token.
    const id = this.known.add(joined, 0, joined.length)
    if (id === this.list.length) this.list.push(joined)
    return id
  }
}
