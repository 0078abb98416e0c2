import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { TensorEntry } from '../safetensors-write.js'
import { openGguf, type GgufFile } from './gguf.js'
import { writeGguf, type GgufMetadata } from './write.js'

const fixture = new Uint8Array(readFileSync(new URL('__fixtures__/python.gguf', import.meta.url)))

async function written(entries: Iterable<TensorEntry>, metadata: GgufMetadata): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of writeGguf(entries, { metadata })) parts.push(part)
  return Uint8Array.from(Buffer.concat(parts))
}

const typed = ({ metadata, types }: GgufFile): GgufMetadata =>
  Array.from(metadata, ([key, value]) => [key, types.has(key) ? { type: types.get(key)!, value: value as number } : value] as const)

describe('a GGUF file', () => {
  it('of the gguf package is written again as it was, byte for byte', async () => {
    const file = await openGguf(fixture)
    const entries = file.names.map((name) => ({
      name,
      dtype: file.info(name).dtype,
      shape: file.info(name).shape,
      bytes: () => file.bytes(name),
    }))
    expect(Buffer.from(await written(entries, typed(file))).equals(Buffer.from(fixture))).toBe(true)
  })

  it('has the types that values call for', async () => {
    const file = await openGguf(
      await written(
        [{ name: 'a', dtype: 'f32', shape: [3], bytes: new Uint8Array(12) }],
        Object.entries({
          a: 7,
          b: -7,
          c: 2 ** 40,
          d: 0.5,
          e: true,
          f: 2n ** 63n + 1n,
          g: { type: 'float32', value: 10_000 },
          h: ['x', 'ä'],
          i: Uint16Array.of(1, 65535),
          j: [1, 2.5],
          k: [1, -1],
          l: [],
        }),
      ),
    )
    expect(Object.fromEntries(file.types)).toEqual({
      a: 'uint32',
      b: 'int32',
      c: 'int64',
      d: 'float32',
      e: 'bool',
      f: 'uint64',
      g: 'float32',
    })
    expect(Object.fromEntries(file.metadata)).toMatchObject({
      c: 2 ** 40,
      f: 2n ** 63n + 1n,
      h: ['x', 'ä'],
      i: Uint16Array.of(1, 65535),
      j: Float32Array.of(1, 2.5),
    })
    expect(file.info('a').shape).toEqual([3])
  })

  it('has a header of any size', async () => {
    const words = Array.from({ length: 20_000 }, (_, i) => 'x'.repeat(i % 97))
    const numbers = Float32Array.from(words, (_, i) => -i)
    expect(
      new Map(
        (
          await openGguf(
            await written(
              [],
              [
                ['words', words],
                ['numbers', numbers],
              ],
            ),
          )
        ).metadata,
      ),
    ).toEqual(
      new Map<string, unknown>([
        ['words', words],
        ['numbers', numbers],
      ]),
    )
  })

  const entry = { name: 'a', dtype: 'Q8_0', shape: [2, 32], bytes: new Uint8Array(68) } as const
  it.each<readonly [string, readonly TensorEntry[], GgufMetadata]>([
    ['two tensors are named "a"', [entry, entry], []],
    ['takes 68 bytes, got 67', [{ ...entry, bytes: new Uint8Array(67) }], []],
    ['rows of 16 elements are no whole blocks of Q8_0', [{ ...entry, shape: [4, 16] }], []],
    ['the format has no type "Q9"', [{ ...entry, dtype: 'Q9' }], []],
    ['must be up to 4 non-negative integers', [{ ...entry, shape: [1, 1, 1, 1, 32] }], []],
    ['general.alignment is 64; files are written with 32', [], [['general.alignment', 64]]],
    ['x: 300 does not fit its type, which would hold 44', [], [['x', { type: 'uint8', value: 300 }]]],
    ['x: 1.5 is no such number', [], [['x', { type: 'uint64', value: 1.5 }]]],
    ['the list x has elements of several types', [], [['x', ['a', 1] as never]]],
  ])('is refused where %s', async (message, entries, metadata) => {
    await expect(written(entries, metadata)).rejects.toThrow(message)
  })
})
