import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { TensorError } from '../../errors.js'
import { openGguf, openGgufParts } from './gguf.js'
import { maxGgufHeaderBytes } from './header.js'
import { GgufBytes } from './testing/bytes.js'

const folder = new URL('__fixtures__/', import.meta.url)
const fixture = new Uint8Array(readFileSync(new URL('python.gguf', folder)))
const answers = JSON.parse(readFileSync(new URL('python.json', folder), 'utf8')) as {
  readonly tensors: Readonly<Record<string, { type: string; shape: number[]; offset: number; bytes: number; values?: string }>>
}

const problemOf = async (file: Uint8Array): Promise<string> => {
  try {
    await (await openGguf(file, { label: 'x' })).dispose()
    return 'none'
  } catch (error) {
    if (!(error instanceof TensorError) || error.code !== 'FILE') throw error
    return error.message
  }
}

describe('a file of the gguf package', () => {
  it('has its metadata', async () => {
    const { metadata, version } = await openGguf(fixture)
    expect(version).toBe(3)
    expect(Object.fromEntries(metadata)).toEqual({
      'general.architecture': 'llama',
      'test.uint8': 7,
      'test.int8': 7,
      'test.uint16': 7,
      'test.int16': 7,
      'test.uint32': 7,
      'test.int32': 7,
      'test.float32': Math.fround(0.1),
      'test.bool': true,
      'test.uint64': 2n ** 63n + 1n,
      'test.int64': -(2n ** 62n) - 1n,
      'test.float64': 0.1,
      'test.string': 'Größe\n\u0000 😀',
      'test.strings': ['', 'a', '▁the'],
      'test.numbers': Int32Array.of(1, -2, 3),
      'test.floats': Float32Array.of(0.5, -1e30),
      'test.flags': [true, false],
      'test.lists': [Int32Array.of(1, 2), Int32Array.of(3)],
    })
  })

  it('has its tensors, where they are', async () => {
    const file = await openGguf(fixture)
    expect(file.names).toEqual(Object.keys(answers.tensors))
    for (const [name, { type, shape, offset, bytes }] of Object.entries(answers.tensors))
      expect(file.info(name)).toEqual({ name, dtype: type, shape, offset, bytes })
  })

  it.each(Object.entries(answers.tensors).filter(([, { values }]) => values !== undefined))(
    'has the bits of %s',
    async (name, { values }) => {
      const file = await openGguf(fixture)
      const expected = Buffer.from(values!, 'base64')
      const { dtype, bytes } = await file.tensor(name)
      if (name.startsWith('i')) {
        const ours =
          dtype === 'i8'
            ? Int8Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length))
            : new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
        expect([...ours].map(Math.fround)).toEqual([...new Float32Array(Uint8Array.from(expected).buffer)])
      } else {
        const { bytes: floats } = await file.tensor(name, { dtype: 'f32' })
        expect(Buffer.from(floats).equals(expected)).toBe(true)
      }
    },
  )

  it.each(Object.entries(answers.tensors).filter(([, { type, values }]) => values !== undefined && type.startsWith('Q')))(
    'has the weights of %s in blocks',
    async (name, { type, shape, values }) => {
      const file = await openGguf(fixture)
      const { bits, block, packed, scales, mins } = await file.quantized(name)
      expect(file.layout(name)).toEqual({ bits, block, hasMins: mins !== undefined })
      const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
      const expected = new Float32Array(Uint8Array.from(Buffer.from(values!, 'base64')).buffer)
      const [own, least] = [floats(scales.bytes), mins === undefined ? undefined : floats(mins.bytes)]
      expect(packed.shape).toEqual([shape[0], shape[1]! / block, (block * bits) / 8])
      let worst = 0
      expected.forEach((weight, i) => {
        const b = Math.floor(i / block)
        const stored = bits === 8 ? packed.bytes[i]! - 128 : ((packed.bytes[i >> 1]! >> (4 * (i & 1))) & 15) - 8
        const scaled = Math.fround(own[b]! * stored)
        const ours = least === undefined ? scaled : Math.fround(scaled - least[b]!)
        const largest = Math.max(Math.abs(8 * own[b]!), Math.abs(least?.[b] ?? 0))
        // Differences in units of the last place of the larger term.
        if (ours !== weight) worst = Math.max(worst, Math.abs(ours - weight) / (largest * 2 ** -24))
      })
      expect(worst).toBeLessThanOrEqual(type === 'Q4_1' || type === 'Q4_K' ? 2 : 0)
    },
  )

  it('has no blocks of what is stored otherwise', async () => {
    const file = await openGguf(fixture)
    expect(file.layout('iq4_nl')).toBeUndefined()
    await expect(file.quantized('iq4_nl')).rejects.toThrow('matrices of Q4_0, Q4_1,')
    await expect(file.quantized('no such')).rejects.toThrow('there is no tensor')
  })

  it('gives blocks in other float types, and those that are not decoded as bytes alone', async () => {
    const file = await openGguf(fixture)
    const { dtype, bytes } = await file.tensor('q4_k', { dtype: 'f16' })
    expect([dtype, bytes.length]).toEqual(['f16', 2 * 3 * 512])
    await expect(file.tensor('q4_k', { dtype: 'i32' })).rejects.toThrow('loads as f32 or another float dtype, not as i32')
    await expect(file.tensor('iq4_nl')).rejects.toThrow('stored as IQ4_NL, which is not decoded; convert the model to one of Q4_0')
    expect((await file.bytes('iq4_nl')).length).toBe(2 * 18)
  })

  it('reads a header in pieces, and no more of the file than it takes', async () => {
    // A vocabulary that is larger than what is read at first.
    const words = Array.from({ length: 100_000 }, (_, i) => `word ${i}`)
    const writer = GgufBytes.begin(1, 1).text('tokenizer.ggml.tokens').u32(9).u32(8).u64(words.length)
    for (const word of words) writer.text(word)
    const file = writer.tensor('t', [4], 0, 0).file(16)
    const read: number[] = []
    const source = {
      size: file.length,
      read: (offset: number, length: number) => {
        read.push(length)
        return Promise.resolve(file.subarray(offset, offset + length))
      },
    }
    const opened = await openGguf(source)
    expect(opened.metadata.get('tokenizer.ggml.tokens')).toEqual(words)
    expect(read).toEqual([2 ** 20, file.length])
    expect((await opened.bytes('t')).length).toBe(16)
  })
})

describe('a model of several files', () => {
  const part = GgufBytes.part

  it('is one', async () => {
    const file = await openGgufParts([part(0, 2, 'a'), part(1, 2, 'b')])
    expect(file.names).toEqual(['a', 'b'])
    expect((await file.tensor('b')).shape).toEqual([2])
  })

  it.each([
    ['a part of a model that is opened alone', [part(0, 2, 'a')], 'this is one of 2 files that are a model together'],
    ['files in another order', [part(1, 2, 'b'), part(0, 2, 'a')], 'this is file 2 of 2, given as file 1 of 2'],
    ['a file too few', [part(0, 3, 'a'), part(1, 3, 'b')], 'this is file 1 of 3, given as file 1 of 2'],
    ['the same tensor twice', [part(0, 2, 'a'), part(1, 2, 'a')], 'is in a file before it too'],
  ])('is refused for %s', async (_, files, message) => {
    const opening = files.length === 1 ? openGguf(files[0]!) : openGgufParts(files)
    await expect(opening).rejects.toThrow(message)
  })
})

describe('what is wrong is said', () => {
  const key = (): GgufBytes => GgufBytes.begin(0, 1).text('k')
  it.each<readonly [string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'at least 24 bytes'],
    ['another format', new TextEncoder().encode('{"a": "something else entirely"}'), 'begins with the bytes "GGUF", found 7b 22 61 22'],
    ['an old version', GgufBytes.begin(0, 0, 1).file(), 'version 1 is not read'],
    ['a big-endian file', GgufBytes.begin(0, 0, 0x03000000).file(), 'big-endian'],
    ['2^63 tensors', GgufBytes.begin(2n ** 63n, 0).file(), 'should hold 9223372036854775808 tensors'],
    ['2^63 keys', GgufBytes.begin(0, 2n ** 63n).file(), 'should hold 9223372036854775808 keys'],
    ['more keys than bytes', GgufBytes.begin(0, 1000).file(), 'too few; the file is cut or damaged'],
    [
      'a key of 2^63 bytes',
      GgufBytes.begin(0, 1)
        .text('k', 2n ** 63n)
        .file(64),
      'bytes of key 0',
    ],
    ['a string past the end', key().u32(8).text('abc', 1_000_000).file(64), 'too few'],
    [
      'a list of 2^62 strings',
      key()
        .u32(9)
        .u32(8)
        .u64(2n ** 62n)
        .file(64),
      'elements of "k"',
    ],
    [
      'a list of 2^32 numbers',
      key()
        .u32(9)
        .u32(6)
        .u64(2 ** 32)
        .file(64),
      'too few',
    ],
    [
      'lists nested without end',
      key().u32(9).u32(9).u64(1).u32(9).u64(1).u32(9).u64(1).u32(9).u64(1).u32(9).u64(1).file(64),
      'nested more than 4 deep',
    ],
    ['a type that is none', key().u32(99).file(64), 'has the type 99'],
    ['a key twice', GgufBytes.begin(0, 2).text('k').u32(0).raw(1).text('k').u32(0).raw(2).file(), 'stands twice'],
    ['a name that is no text', GgufBytes.begin(0, 1).u64(2).raw(0xff, 0xfe).u32(0).raw(1).file(), 'not valid UTF-8'],
    ['an alignment of 0', GgufBytes.begin(0, 1).text('general.alignment').u32(4).u32(0).file(), 'power of two'],
    ['an alignment of 48', GgufBytes.begin(0, 1).text('general.alignment').u32(4).u32(48).file(), 'power of two'],
    ['five dimensions', GgufBytes.begin(1, 0).tensor('t', [1, 1, 1, 1, 1], 0, 0).file(64), '5 dimensions, more than 4'],
    [
      '2^32 dimensions',
      GgufBytes.begin(1, 0)
        .text('t')
        .u32(2 ** 32 - 1)
        .file(64),
      '4294967295 dimensions',
    ],
    [
      'sizes whose product overflows',
      GgufBytes.begin(1, 0)
        .tensor('t', [2 ** 40, 2 ** 40, 0], 0, 0)
        .file(64),
      'more elements than can be counted',
    ],
    [
      'a size of 2^63',
      GgufBytes.begin(1, 0)
        .tensor('t', [2n ** 63n], 0, 0)
        .file(64),
      'more than can be counted',
    ],
    ['an unknown type', GgufBytes.begin(1, 0).tensor('t', [32], 4, 0).file(64), 'type has the number 4'],
    ['rows of half a block', GgufBytes.begin(1, 0).tensor('t', [48], 2, 0).file(64), 'no whole blocks of Q4_0'],
    ['an offset that is not aligned', GgufBytes.begin(1, 0).tensor('t', [1], 0, 4).file(64), 'no multiple of the alignment 32'],
    [
      'an offset outside',
      GgufBytes.begin(1, 0)
        .tensor('t', [1], 0, 2 ** 30)
        .file(64),
      'outside of the file',
    ],
    ['data past the end', GgufBytes.begin(1, 0).tensor('t', [1000], 0, 0).file(64), 'outside of the file'],
    ['tensors that overlap', GgufBytes.begin(2, 0).tensor('t', [16], 0, 0).tensor('u', [16], 0, 32).file(128), 'overlap at byte 32'],
    ['a tensor twice', GgufBytes.begin(2, 0).tensor('t', [1], 0, 0).tensor('t', [1], 0, 32).file(128), 'stands twice'],
  ])('%s', async (_, file, message) => {
    const problem = await problemOf(file)
    expect(problem).toContain(message)
    expect(problem).toMatch(/^x: /)
  })

  it('a list of more elements than may be', async () => {
    // Booleans take more memory than they have bytes in a file.
    const file = GgufBytes.begin(0, 1).text('k').u32(9).u32(7).u64(20_000_001).file(20_000_064)
    expect(await problemOf(file)).toContain('more than 20000000 elements')
  })

  it('a header that is too long, without reading it', async () => {
    const begin = GgufBytes.begin(0, 1).text('k').u32(8).u64(maxGgufHeaderBytes).file(64)
    let most = 0
    const source = {
      size: 2 ** 40,
      read: (_: number, length: number) => {
        most = Math.max(most, length)
        const bytes = new Uint8Array(length)
        bytes.set(begin)
        return Promise.resolve(bytes)
      },
    }
    await expect(openGguf(source)).rejects.toThrow('longer than the 268435456 bytes allowed')
    expect(most).toBeLessThan(2 ** 25)
  })
})

test('any damage is an error of a file, or leaves one that can be read', async () => {
  const damage = fc.oneof(
    fc.tuple(fc.nat(fixture.length - 1), fc.nat(255)).map(([at, byte]) => {
      const file = fixture.slice()
      file[at] = byte
      return file
    }),
    fc.nat(fixture.length).map((length) => fixture.slice(0, length)),
    fc.tuple(fc.nat(1500), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(([at, value]) => {
      const file = fixture.slice()
      new DataView(file.buffer).setBigUint64(at, value, true)
      return file
    }),
  )
  await fc.assert(
    fc.asyncProperty(damage, async (file) => {
      try {
        const opened = await openGguf(file)
        for (const name of opened.names) {
          const { bytes } = opened.info(name)
          expect((await opened.bytes(name)).length).toBe(bytes)
          await opened.tensor(name).catch((error: unknown) => {
            if (!(error instanceof TensorError)) throw error
          })
        }
      } catch (error) {
        if (!(error instanceof TensorError && error.code === 'FILE')) throw error
      }
    }),
    { numRuns: 1500 },
  )
})
