import { byteToChar } from '../formats/hf-json/byte-chars.js'
import { IdList } from '../id-list.js'
import { ByteCursor } from '../models/bpe/byte-cursor.js'
import type { TokenizerParts } from '../parts.js'
import type { TokenSequence } from '../pipeline/components.js'
import type { SpecialRule, SpecialTokens } from '../special-tokens.js'

/**
 * Tokens with their places, where tokens joined are the bytes of the text. A token that holds a part of a character has the place of the
 * whole character, as in Hugging Face tokenizers.
 *
 * @throws TokenizerError `SPECIAL_TOKEN` by the policy
 */
export function tokenizeBytes(text: string, special: SpecialRule, parts: TokenizerParts, added: SpecialTokens): TokenSequence {
  const { model, vocabulary } = parts
  const ids = new IdList()
  const starts: number[] = []
  const ends: number[] = []
  const words: number[] = []
  const forms: string[] = []
  let word = -1
  let position = 0
  const pieceEnds = new IdList()
  added.scan(
    text,
    special,
    (part, at) => {
      const first = ids.length
      model.encode(part, ids, at === 0)
      pieceEnds.clear()
      model.pieceEnds?.(part, pieceEnds)
      const cursor = new ByteCursor(part)
      // A blank that encoding puts in front belongs to the first character.
      let byte = at === 0 && parts.stripAfterBos === true ? -1 : 0
      let piece = 0
      word++
      for (let i = first; i < ids.length; i++) {
        while (piece < pieceEnds.length && byte >= pieceEnds.ids[piece]!) {
          piece++
          word++
        }
        const id = ids.ids[i]!
        const size = vocabulary.starts[id + 1]! - vocabulary.starts[id]!
        const start = cursor.startOf(Math.max(0, byte))
        byte += size
        starts.push(at + start)
        ends.push(at + cursor.endOf(Math.max(1, byte)))
        words.push(word)
        forms.push(written(vocabulary.bytes.subarray(vocabulary.starts[id], vocabulary.starts[id + 1])))
      }
      position = at + part.length
    },
    (id, content) => {
      word++
      ids.push(id)
      starts.push(position)
      position += content.length
      ends.push(position)
      words.push(word)
      forms.push(content)
    },
  )
  return { text, ids: ids.toArray(), starts: Int32Array.from(starts), ends: Int32Array.from(ends), words: Int32Array.from(words), forms }
}

/** The bytes as byte-level vocabularies write them. */
function written(bytes: Uint8Array): string {
  let form = ''
  for (const byte of bytes) form += byteToChar[byte]!
  return form
}
