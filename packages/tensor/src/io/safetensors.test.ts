import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decodeStorage, type DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { openSafetensors, openSafetensorsIndex } from './safetensors.js'
import { encodeSafetensors, planShards, writeSafetensors, type TensorEntry } from './safetensors-write.js'
import type { ByteSource } from './source.js'

// Written by the reference implementation: tools/goldens/safetensors-fixture.py
const fixture = new Uint8Array(readFileSync(new URL('__fixtures__/python.safetensors', import.meta.url)))
interface Expected {
  readonly shape: number[]
  readonly values?: number[]
  readonly double?: number[]
  readonly hex?: string
}
const expected = (
  JSON.parse(readFileSync(new URL('__fixtures__/python.json', import.meta.url), 'utf8')) as { tensors: Record<string, Expected> }
).tensors

/** A file from a header text and data, without any of the writer's checks. */
function fileOf(header: string | Uint8Array, data: Uint8Array | number = 0): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const body = typeof data === 'number' ? new Uint8Array(data) : data
  const out = new Uint8Array(8 + text.byteLength + body.byteLength)
  new DataView(out.buffer).setBigUint64(0, BigInt(text.byteLength), true)
  out.set(text, 8)
  out.set(body, 8 + text.byteLength)
  return out
}

/** Counts what is read of a file. */
function counting(bytes: Uint8Array): ByteSource & { reads: [number, number][]; disposed: number } {
  const self = {
    size: bytes.byteLength,
    reads: [] as [number, number][],
    disposed: 0,
    read(offset: number, length: number) {
      self.reads.push([offset, length])
      return Promise.resolve(bytes.slice(offset, offset + length))
    },
    dispose() {
      self.disposed++
    },
  }
  return self
}

async function failure(promise: Promise<unknown>): Promise<TensorError> {
  try {
    await promise
  } catch (error) {
    expect(TensorError.isInstance(error), String(error)).toBe(true)
    return error as TensorError
  }
  throw new Error('expected an error')
}

const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer)

describe('reading what the reference implementation wrote', () => {
  test('names, metadata and shapes', async () => {
    const file = await openSafetensors(fixture)
    expect({ ...file.metadata }).toEqual({ format: 'pt' })
    expect([...file.names].sort()).toEqual(Object.keys(expected).sort())
    for (const name of file.names) expect(file.info(name).shape).toEqual(expected[name]!.shape)
  })

  test.each(Object.keys(expected).filter((name) => name !== 'int64.large'))('%s', async (name) => {
    const file = await openSafetensors(fixture)
    const want = expected[name]!
    if (want.hex !== undefined) {
      expect(Buffer.from(await file.bytes(name)).toString('hex')).toBe(want.hex)
      const error = await failure(file.tensor(name))
      expect(error.code).toBe('DTYPE')
      expect(error.message).toContain(file.info(name).dtype)
      return
    }
    const tensor = await file.tensor(name)
    expect(tensor.shape).toEqual(want.shape)
    expect([...decodeStorage(tensor.dtype, tensor.bytes)]).toEqual(want.values)
  })

  test('dtypes asked for', async () => {
    const file = await openSafetensors(fixture)
    const double = await file.tensor('float64', { dtype: 'f64' })
    expect([...decodeStorage('f64', double.bytes)]).toEqual(expected['float64']!.double)
    const widened = await file.tensor('bfloat16', { dtype: 'f32' })
    expect(widened.dtype).toBe('f32')
    expect([...decodeStorage('f32', widened.bytes)]).toEqual(expected['bfloat16']!.values)
    const half = await file.tensor('float16', { dtype: 'f32' })
    expect([...decodeStorage('f32', half.bytes)]).toEqual(expected['float16']!.values)
    const narrowed = await file.tensor('float32', { dtype: 'bf16' })
    expect(narrowed.bytes.byteLength).toBe(12)
    expect((await failure(file.tensor('int32', { dtype: 'f32' }))).code).toBe('DTYPE')
  })

  test('a 64-bit integer that does not fit is named', async () => {
    const error = await failure((await openSafetensors(fixture)).tensor('int64.large'))
    expect(error.code).toBe('FILE')
    expect(error.message).toMatch(/"int64.large".*element 1 is 2147483648/)
  })
})

describe('reading is ranged', () => {
  test('each byte at most once, and only what is asked for', async () => {
    const source = counting(fixture)
    const file = await openSafetensors(source)
    const header = source.reads.reduce((sum, [, length]) => sum + length, 0)
    expect(source.reads).toHaveLength(2)
    await file.tensor('float32')
    expect(source.reads).toHaveLength(3)
    expect(source.reads[2]).toEqual([file.info('float32').offset, 24])
    for (const name of file.names) if (name !== 'float32') await file.bytes(name)
    expect(source.reads.reduce((sum, [, length]) => sum + length, 0)).toBe(fixture.byteLength)
    expect(header).toBeLessThan(fixture.byteLength)
    await file.dispose()
    await file.dispose()
    expect(source.disposed).toBe(1)
    expect((await failure(file.bytes('float32'))).code).toBe('DISPOSED')
  })

  test('Blob', async () => {
    const file = await openSafetensors(new Blob([fixture]))
    const { dtype, bytes } = await file.tensor('float32')
    expect([...decodeStorage(dtype, bytes)]).toEqual(expected['float32']!.values)
  })

  test('a source that gives less than asked, or throws', async () => {
    const short: ByteSource = {
      size: fixture.byteLength,
      label: 'short',
      read: (offset, length) => Promise.resolve(fixture.slice(offset, offset + Math.min(length, 100))),
    }
    const error = await failure(openSafetensors(short))
    expect([error.code, error.message]).toEqual(['IO', expect.stringMatching(/^short: asked for \d+ bytes at 8 and got 100/)])
    const broken: ByteSource = { size: 100, read: () => Promise.reject(new Error('cable')) }
    expect((await failure(openSafetensors(broken))).message).toContain('cable')
    expect((await failure(openSafetensors(5 as never))).code).toBe('VALUE')
  })
})

describe('hostile files', () => {
  const cases: [name: string, file: Uint8Array, message: RegExp][] = [
    ['empty', new Uint8Array(0), /8 bytes of header length, but the file has 0/],
    ['seven bytes', new Uint8Array(7), /has 7 bytes/],
    [
      'header length 2^60',
      (() => {
        const f = fileOf('{}')
        new DataView(f.buffer).setBigUint64(0, 1n << 60n, true)
        return f
      })(),
      /claims to be 1152921504606846976 bytes/,
    ],
    ['header length 2^64-1', new Uint8Array(16).fill(255), /claims to be 18446744073709551615 bytes/],
    [
      'header longer than the file',
      (() => {
        const f = fileOf('{}')
        new DataView(f.buffer).setBigUint64(0, 3n, true)
        return f
      })(),
      /claims to be 3 bytes long, but only 2/,
    ],
    ['empty header', fileOf(''), /must begin with '\{', found nothing/],
    ['an array', fileOf('[]'), /must begin with '\{'/],
    ['leading space', fileOf(' {}'), /must begin with '\{'/],
    ['byte order mark', fileOf('\ufeff{}'), /must begin with '\{'/],
    ['not JSON', fileOf('{"a":'), /not valid JSON/],
    ['trailing text', fileOf('{} x'), /not valid JSON/],
    ['not UTF-8', fileOf(new Uint8Array([123, 34, 255, 34, 58, 49, 125])), /not valid UTF-8/],
    [
      'duplicate names',
      fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      /the key "a" twice/,
    ],
    [
      'duplicate names, one escaped',
      fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061" :{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      /the key "a" twice/,
    ],
    ['duplicate field', fileOf('{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1), /the key "dtype" twice/],
    ['duplicate metadata', fileOf('{"__metadata__":{"k":"1","k":"2"}}'), /the key "k" twice/],
    ['two metadata', fileOf('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" twice/],
    ['metadata number', fileOf('{"__metadata__":{"k":1}}'), /__metadata__ "k" must be a string, found 1/],
    ['metadata list', fileOf('{"__metadata__":[]}'), /__metadata__ must be an object/],
    ['deep nesting', fileOf(`{"a":${'['.repeat(100_000)}`), /nested more than 8/],
    ['entry of another kind', fileOf('{"a":3}'), /tensor "a": expected \{dtype, shape, data_offsets\}, found 3/],
    ['no dtype', fileOf('{"a":{"shape":[1],"data_offsets":[0,1]}}', 1), /dtype must be a type name/],
    [
      'dtype of another form',
      fileOf('{"a":{"dtype":"float32","shape":[1],"data_offsets":[0,4]}}', 4),
      /dtype must be a type name such as 'F32', found "float32"/,
    ],
    [
      'negative dimension',
      fileOf('{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', 1),
      /shape must be an array of non-negative integers, found \[-1\]/,
    ],
    ['fractional dimension', fileOf('{"a":{"dtype":"U8","shape":[0.5],"data_offsets":[0,1]}}', 1), /non-negative integers/],
    ['dimension past 2^53', fileOf('{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,1]}}', 1), /non-negative integers/],
    ['string dimension', fileOf('{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}', 1), /non-negative integers/],
    [
      'shape product overflow',
      fileOf('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
      /more elements than can be counted/,
    ],
    [
      'overflow hidden by zero',
      fileOf('{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}'),
      /more elements than can be counted/,
    ],
    ['size overflow', fileOf('{"a":{"dtype":"F64","shape":[9007199254740991],"data_offsets":[0,0]}}'), /larger than can be counted/],
    [
      'too many dimensions',
      fileOf(`{"a":{"dtype":"U8","shape":[${Array(65).fill(1).join(',')}],"data_offsets":[0,1]}}`, 1),
      /65 dimensions/,
    ],
    ['size against shape', fileOf('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4), /span 4 bytes, but F32 \[2\] takes 8/],
    ['sub-byte remainder', fileOf('{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}', 2), /12 bits, not a whole number of bytes/],
    ['offsets outside', fileOf('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 4), /\[4, 8\] reach outside the 4 bytes/],
    ['offsets backwards', fileOf('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', 4), /end before they begin/],
    ['three offsets', fileOf('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}', 8), /data_offsets must be \[begin, end\]/],
    ['negative offsets', fileOf('{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}', 4), /data_offsets must be \[begin, end\]/],
    [
      'overlap',
      fileOf('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}', 6),
      /tensor "b": data begins at 2, but "a" before it ends at 4; the two overlap/,
    ],
    [
      'same range',
      fileOf('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', 4),
      /the two overlap/,
    ],
    [
      'hole',
      fileOf('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}', 9),
      /bytes between them belong to no tensor/,
    ],
    ['hole at the beginning', fileOf('{"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}', 9), /the data begins at 0/],
    ['bytes at the end', fileOf('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', 5), /1 bytes belong to no tensor/],
  ]
  test.each(cases)('%s', async (_, file, message) => {
    const source = counting(file)
    const error = await failure(openSafetensors(source, { label: 'bad.safetensors' }))
    expect(error.code).toBe('FILE')
    expect(error.message).toMatch(message)
    expect(error.message).toMatch(/^bad\.safetensors: /)
    expect(source.disposed).toBe(1)
    // A header that is refused for its length is not read.
    if (/claims/.test(error.message)) expect(source.reads).toEqual([[0, 8]])
  })

  test('names that are special to JavaScript are names like any other', async () => {
    const names = ['__proto__', 'constructor', 'toString', '7', '']
    const entries = names.map((name, i): TensorEntry & { bytes: Uint8Array } => ({ name, dtype: 'f32', shape: [1], bytes: bytesOf(i) }))
    const metadata = JSON.parse('{"__proto__":"x","3":"y"}') as Record<string, string>
    const file = await openSafetensors(encodeSafetensors(entries, { metadata }))
    expect(file.names).toEqual(names)
    expect(file.metadata['__proto__']).toBe('x')
    expect(file.has('hasOwnProperty')).toBe(false)
    for (const [i, name] of names.entries()) expect(decodeStorage('f32', (await file.tensor(name)).bytes)[0]).toBe(i)
  })

  test('a type of the future is readable as bytes', async () => {
    const file = await openSafetensors(fileOf('{"a":{"dtype":"F2_E9","shape":[9],"data_offsets":[0,3]}}', Uint8Array.of(1, 2, 3)))
    expect([...(await file.bytes('a'))]).toEqual([1, 2, 3])
    expect((await failure(file.tensor('a'))).message).toContain('F2_E9')
  })

  test('a byte that is no boolean', async () => {
    const file = await openSafetensors(fileOf('{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}', Uint8Array.of(0, 1, 2)))
    expect((await failure(file.tensor('a'))).message).toMatch(/element 2 is the byte 2/)
  })

  test('a missing tensor, with names like it', async () => {
    const file = await openSafetensors(
      encodeSafetensors([{ name: 'model.layers.0.mlp.weight', dtype: 'f32', shape: [1], bytes: bytesOf(1) }]),
    )
    expect((await failure(file.tensor('layers.0.mlp.weight'))).message).toMatch(
      /no tensor "layers.0.mlp.weight" among its 1; it has "model.layers.0.mlp.weight"/,
    )
  })
})

describe('writing', () => {
  const dtypes: DType[] = ['u8', 'f16', 'bool', 'f64', 'i8', 'f32', 'bf16', 'i32', 'u32']
  const entries = dtypes.map((dtype, i) => {
    const size = { f64: 8, f32: 4, i32: 4, u32: 4, f16: 2, bf16: 2, i8: 1, u8: 1, bool: 1 }[dtype]
    return {
      name: `t.${dtype}`,
      dtype,
      shape: [3, i],
      bytes: new Uint8Array(3 * i * size).map((_, j) => (dtype === 'bool' ? j & 1 : j * 7 + i)),
    }
  })

  test('round trip of every dtype, aligned', async () => {
    const written = encodeSafetensors(entries, { metadata: { step: '12' } })
    const file = await openSafetensors(written)
    expect({ ...file.metadata }).toEqual({ step: '12' })
    for (const entry of entries) {
      const { dtype, shape, bytes } = await file.tensor(entry.name, entry.dtype === 'f64' ? { dtype: 'f64' } : {})
      expect([dtype, shape]).toEqual([entry.dtype, entry.shape])
      expect(Buffer.from(bytes)).toEqual(Buffer.from(entry.bytes))
      if (entry.bytes.byteLength > 0)
        expect(file.info(entry.name).offset % { f64: 8, f32: 4, i32: 4, u32: 4, f16: 2, bf16: 2, i8: 1, u8: 1, bool: 1 }[entry.dtype]).toBe(
          0,
        )
    }
  })

  test('streamed output is the same, and lazy bytes are made in turn', async () => {
    const order: string[] = []
    const lazy = entries.map((entry) => ({
      ...entry,
      bytes: () => {
        order.push(entry.name)
        return Promise.resolve(entry.bytes)
      },
    }))
    const chunks: Uint8Array[] = []
    for await (const chunk of writeSafetensors(lazy)) {
      chunks.push(chunk)
      expect(order.length).toBe(chunks.length - 1)
    }
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(encodeSafetensors(entries)))
    const aborted = writeSafetensors(entries, { signal: AbortSignal.abort() })
    expect(
      (
        await failure(
          (async () => {
            for await (const _ of aborted);
          })(),
        )
      ).code,
    ).toBe('ABORTED')
  })

  test('no tensors at all', async () => {
    expect((await openSafetensors(encodeSafetensors([]))).names).toEqual([])
  })

  test('raw types', async () => {
    const file = await openSafetensors(encodeSafetensors([{ name: 'q', dtype: 'F8_E4M3', shape: [2], bytes: Uint8Array.of(1, 2) }]))
    expect(file.info('q').dtype).toBe('F8_E4M3')
  })

  test('refusals', () => {
    const entry = { name: 'a', dtype: 'f32', shape: [2], bytes: bytesOf(1, 2) }
    const refused = (...list: (TensorEntry & { bytes: Uint8Array })[]): string => {
      try {
        encodeSafetensors(list)
      } catch (error) {
        expect(TensorError.isInstance(error) && error.code).toBe('VALUE')
        return (error as Error).message
      }
      return 'accepted'
    }
    expect(refused(entry, entry)).toMatch(/two tensors are named "a"/)
    expect(refused({ ...entry, name: '__metadata__' })).toMatch(/other than __metadata__/)
    expect(refused({ ...entry, bytes: bytesOf(1) })).toMatch(/takes 8 bytes, got 4/)
    expect(refused({ ...entry, dtype: 'float' })).toMatch(/no type "float"/)
    expect(refused({ ...entry, dtype: 'constructor' })).toMatch(/no type/)
    expect(refused({ ...entry, shape: [-1] })).toMatch(/non-negative/)
    expect(refused({ ...entry, shape: [2 ** 40, 2 ** 40] })).toMatch(/larger than can be counted/)
    expect(() => encodeSafetensors([], { metadata: { a: 1 as never } })).toThrow(/metadata "a" must be a string/)
  })
})

describe('sharded checkpoints', () => {
  const entries = [0, 1, 2, 3, 4].map((i) => ({
    name: `layer.${i}`,
    dtype: 'f32',
    shape: [i + 1],
    bytes: bytesOf(...Array<number>(i + 1).fill(i)),
  }))
  const plan = planShards(entries, { stem: 'model', maxShardBytes: 16 })
  const files = new Map(
    plan.shards.map((shard) => [shard.fileName, encodeSafetensors(shard.entries as typeof entries, { metadata: { format: 'pt' } })]),
  )
  const index = new TextEncoder().encode(plan.index)
  const openShard = (name: string): Uint8Array => {
    const bytes = files.get(name)
    if (bytes === undefined) throw new Error(`no file ${name}`)
    return bytes
  }
  const indexOf = (map: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify({ weight_map: map }))

  test('split and read back', async () => {
    expect([...files.keys()]).toEqual([
      'model-00001-of-00004.safetensors',
      'model-00002-of-00004.safetensors',
      'model-00003-of-00004.safetensors',
      'model-00004-of-00004.safetensors',
    ])
    const file = await openSafetensorsIndex(index, openShard)
    expect(file.names).toEqual(entries.map((entry) => entry.name))
    expect({ ...file.metadata }).toEqual({ format: 'pt', total_size: '60' })
    for (const entry of entries) expect([...(await file.tensor(entry.name)).bytes]).toEqual([...entry.bytes])
    await file.dispose()
    expect((await failure(file.bytes('layer.0'))).code).toBe('DISPOSED')
    expect(planShards(entries, { stem: 'model' })).toEqual({ shards: [{ fileName: 'model.safetensors', entries }] })
  })

  test('a missing shard; the others are released', async () => {
    const opened: ReturnType<typeof counting>[] = []
    const error = await failure(
      openSafetensorsIndex(index, (name) => {
        if (name.includes('00003')) throw new Error('ENOENT')
        opened.push(counting(files.get(name)!))
        return opened.at(-1)!
      }),
    )
    expect([error.code, error.message]).toEqual([
      'IO',
      expect.stringMatching(/shard "model-00003-of-00004.safetensors" could not be opened: ENOENT/),
    ])
    expect(opened.map((source) => source.disposed)).toEqual([1, 1, 1])
  })

  test('a tensor that its shard does not hold', async () => {
    const error = await failure(openSafetensorsIndex(indexOf({ 'layer.4': 'model-00001-of-00004.safetensors' }), openShard))
    expect([error.code, error.message]).toEqual([
      'FILE',
      expect.stringMatching(/"layer.4" should be in "model-00001-of-00004.safetensors"/),
    ])
  })

  test.each(['../secret', '/etc/passwd', 'a/b', 'a\\b', '..', '.', '', 'C:x', 'a\u0000b', 'x'.repeat(256), 7, null])(
    'shard name %j is refused before anything is opened',
    async (name) => {
      const error = await failure(openSafetensorsIndex(indexOf({ a: name }), () => expect.unreachable()))
      expect([error.code, error.message]).toEqual(['FILE', expect.stringMatching(/plain name of a file beside the index/)])
    },
  )

  test.each(['', '[]', '{}', '{"weight_map":[]}', '{"weight_map":{"a":"x","a":"y"}}'])('index %j is refused', async (text) => {
    expect((await failure(openSafetensorsIndex(new TextEncoder().encode(text), openShard))).code).toBe('FILE')
  })
})
