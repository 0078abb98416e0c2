import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TensorError } from '../errors.js'
import { openSafetensors, openSafetensorsIndex } from './safetensors.js'
import { encodeSafetensors } from './safetensors-write.js'
import type { TensorFile } from './tensor-file.js'

const fixture = new Uint8Array(readFileSync(new URL('__fixtures__/python.safetensors', import.meta.url)))
const headerEnd = 8 + Number(new DataView(fixture.buffer, fixture.byteOffset).getBigUint64(0, true))
const seed = 20_240_611

/** Reads everything a file offers; what escapes must be a TensorError with one of the codes for files. */
async function consume(open: () => Promise<TensorFile>): Promise<'read' | 'refused'> {
  let refused = false
  const guard = async <T>(step: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await step()
    } catch (error) {
      if (!TensorError.isInstance(error) || !['FILE', 'IO', 'DTYPE'].includes(error.code)) throw error
      refused = true
      return undefined
    }
  }
  const file = await guard(open)
  if (file !== undefined) {
    let bytes = 0
    for (const name of file.names) {
      bytes += (await file.bytes(name)).byteLength
      const { dtype } = file.info(name)
      const tensor = await guard(() => file.tensor(name))
      if (tensor !== undefined && dtype === 'BOOL') expect(tensor.bytes.every((byte) => byte <= 1)).toBe(true)
    }
    expect(bytes).toBeLessThan(fixture.byteLength + 1000)
    await file.dispose()
  }
  return refused ? 'refused' : 'read'
}

const property = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<unknown>, runs = 1500): Promise<void> =>
  fc.assert(
    fc.asyncProperty(arbitrary, async (value) => void (await check(value))),
    { seed, numRuns: runs, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true },
  )

/** Places where bytes are set, removed or inserted. */
const edits = (end: number) =>
  fc.array(
    fc.record({
      at: fc.nat(end - 1),
      kind: fc.constantFrom('set', 'remove', 'insert'),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...[...'"{}[],:0123456789-eE.\\u'].map((c) => c.charCodeAt(0)))),
    }),
    { minLength: 1, maxLength: 4 },
  )

function edit(bytes: Uint8Array, list: readonly { at: number; kind: string; byte: number }[]): Uint8Array {
  const out = [...bytes]
  for (const { at, kind, byte } of list) {
    if (kind === 'set') out[at] = byte
    else if (kind === 'remove') out.splice(at, 1)
    else out.splice(at, 0, byte)
  }
  return Uint8Array.from(out)
}

test('bytes of the header changed', async () => {
  let refused = 0
  await property(edits(headerEnd), async (list) => {
    if ((await consume(() => openSafetensors(edit(fixture, list)))) === 'refused') refused++
  })
  expect(refused).toBeGreaterThan(1000)
})

test('the header edited and its length corrected', async () => {
  await property(edits(headerEnd - 8), (list) => {
    const header = edit(fixture.subarray(8, headerEnd), list)
    const file = new Uint8Array(8 + header.byteLength + fixture.byteLength - headerEnd)
    new DataView(file.buffer).setBigUint64(0, BigInt(header.byteLength), true)
    file.set(header, 8)
    file.set(fixture.subarray(headerEnd), 8 + header.byteLength)
    return consume(() => openSafetensors(file))
  })
})

test('cut and extended anywhere', async () => {
  for (let length = 0; length < fixture.byteLength; length++)
    expect(await consume(() => openSafetensors(fixture.subarray(0, length)))).toBe('refused')
  const longer = new Uint8Array(fixture.byteLength + 1)
  longer.set(fixture)
  expect(await consume(() => openSafetensors(longer))).toBe('refused')
})

const number = fc.oneof(
  fc.integer({ min: -2, max: 20 }),
  fc.constantFrom(0.5, 1e308, 2 ** 31, 2 ** 32, 2 ** 53, -0, 2 ** 53 - 1),
  fc.constantFrom('1', null, true),
)
const entry = fc.record(
  {
    dtype: fc.constantFrom('F32', 'U8', 'F4', 'F6_E2M3', 'BOOL', 'I64', 'NEW', 'x', 3, null),
    shape: fc.oneof(fc.array(number, { maxLength: 4 }), fc.constant('shape')),
    data_offsets: fc.oneof(fc.array(number, { maxLength: 3 }), fc.constant({ begin: 0 })),
    extra: fc.jsonValue(),
  },
  { requiredKeys: [] },
)

test('headers made of right and wrong parts', async () => {
  const headers = fc.dictionary(
    fc.oneof(fc.string(), fc.constantFrom('__metadata__', '__proto__', 'a', 'b')),
    fc.oneof(entry, fc.jsonValue()),
    { maxKeys: 4 },
  )
  await property(fc.record({ header: headers, data: fc.uint8Array({ maxLength: 40 }) }), ({ header, data }) => {
    const text = new TextEncoder().encode(JSON.stringify(header))
    const file = new Uint8Array(8 + text.byteLength + data.byteLength)
    new DataView(file.buffer).setBigUint64(0, BigInt(text.byteLength), true)
    file.set(text, 8)
    file.set(data, 8 + text.byteLength)
    return consume(() => openSafetensors(file))
  })
})

test('arbitrary bytes, and arbitrary indexes', async () => {
  await property(fc.uint8Array({ maxLength: 200 }), (bytes) => consume(() => openSafetensors(bytes)))
  await property(
    fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.json().map((text) => new TextEncoder().encode(`{"weight_map":${text}}`)),
    ),
    (bytes) => consume(() => openSafetensorsIndex(bytes, () => fixture)),
  )
})

test('whatever is written is read back', async () => {
  const tensors = fc.uniqueArray(
    fc.record({
      name: fc
        .oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', '0', 'length'))
        .filter((name) => name !== '__metadata__'),
      dtype: fc.constantFrom('f32' as const, 'u8' as const, 'f16' as const, 'f64' as const),
      shape: fc.array(fc.nat(3), { maxLength: 3 }),
    }),
    { selector: ({ name }) => name, maxLength: 6 },
  )
  await property(
    fc.record({ tensors, metadata: fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' })) }),
    async ({ tensors: list, metadata }) => {
      const entries = list.map((tensor, i) => {
        const size = { f32: 4, u8: 1, f16: 2, f64: 8 }[tensor.dtype]
        return { ...tensor, bytes: new Uint8Array(tensor.shape.reduce((a, b) => a * b, 1) * size).fill(i + 1) }
      })
      const file = await openSafetensors(encodeSafetensors(entries, { metadata }))
      expect(Object.entries(file.metadata).sort()).toEqual(Object.entries(metadata).sort())
      expect(file.names.length).toBe(entries.length)
      for (const { name, shape, bytes } of entries) {
        expect(file.info(name).shape).toEqual(shape)
        expect(await file.bytes(name)).toEqual(bytes)
      }
    },
    300,
  )
})

test('large hostile headers are refused', async () => {
  const size = 4_000_000
  const withHeader = (text: string): Uint8Array => {
    const file = new Uint8Array(8 + text.length)
    new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true)
    new TextEncoder().encodeInto(text, file.subarray(8))
    return file
  }
  for (const text of [
    `{"a":${'['.repeat(size)}`,
    `{"${'\\'.repeat(size)}`,
    `{"a":"${'\\"'.repeat(size / 2)}`,
    `{${'"'.repeat(size)}`,
    `{"a":[${'[],'.repeat(size / 3)}[]]}`,
    `{"a"${' '.repeat(size)}`,
  ])
    expect(await consume(() => openSafetensors(withHeader(text)))).toBe('refused')
})
