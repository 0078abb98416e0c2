import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes } from './bytes.js'
import { FlatTokens } from './flat-tokens.js'

test('tokens are put in the order of their bytes, equal ones as they stood', () => {
  const piece = fc.constantFrom([0], [255], [1, 2], [7, 7, 7, 7], [7, 7, 7, 7, 7, 7, 7, 8])
  const token = fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => Uint8Array.from(parts.flat()))
  fc.assert(
    fc.property(fc.array(fc.option(token, { nil: undefined }), { maxLength: 200 }), (tokens) => {
      const ids = tokens.flatMap((one, id) => (one === undefined ? [] : [id]))
      const flat = new FlatTokens(tokens, ids)
      const expected = [...ids].sort((a, b) => compareBytes(tokens[a]!, tokens[b]!) || a - b)
      expect([...flat.sort(ids)]).toEqual(expected)
      for (const id of ids) expect(flat.bytes.slice(flat.starts[id], flat.starts[id + 1])).toEqual(tokens[id])
    }),
  )
})
