import { afterAll, describe, expect, it } from 'vitest'
import { tensor } from '../create.js'
import type { Device } from '../device/device.js'
import { bindingDevice } from '../device/onnx/binding/device.js'
import type { OrtModule } from '../device/onnx/binding/module.js'
import { openOnnxDevice } from '../device/onnx/node/device.js'
import { encodeMessage } from '../device/onnx/proto/codec.js'
import type { GraphProto, TensorProto, ValueInfoProto } from '../device/onnx/proto/schema.js'
import { leakReport } from '../debug/leaks.js'
import { loadOnnx } from './model.js'

const emitter = {
  emitModel: () => {
    throw new Error('not used here')
  },
  supportsNatively: () => false,
}
const web = (await import('onnxruntime-web')) as unknown as OrtModule
const devices: readonly (readonly [string, Device])[] = [
  ['the C API', await openOnnxDevice(emitter, { threads: 2 })],
  ['onnxruntime-web', bindingDevice(web, emitter, { target: 'web', threads: 1 })],
]
afterAll(() => Promise.all(devices.map(([, device]) => device.dispose())))

const F32 = 1
const I64 = 7
const info = (name: string, elemType: number, dims: readonly (number | string)[]): ValueInfoProto => ({
  name,
  type: {
    tensorType: { elemType, shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) } },
  },
})
const model = (graph: GraphProto): Uint8Array =>
  encodeMessage('ModelProto', { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph: { name: 'test', ...graph } })
const bytesOf = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)

/** hidden = table[ids] · scale, and what is not zero in ids: a result whose size nobody knows beforehand. */
const graph = (table: Partial<TensorProto>): GraphProto => ({
  node: [
    { opType: 'Gather', input: ['table', 'ids'], output: ['rows'] },
    { opType: 'Mul', input: ['rows', 'scale'], output: ['hidden'] },
    { opType: 'NonZero', input: ['ids'], output: ['places'] },
  ],
  initializer: [{ name: 'table', dims: [3, 2], dataType: F32, ...table }],
  input: [info('ids', I64, ['batch', 'tokens']), info('scale', F32, [1]), info('table', F32, [3, 2])],
  output: [info('hidden', F32, ['batch', 'tokens', 2]), info('places', I64, [2, 'count'])],
})
const rows = bytesOf([1, 2, 3, 4, 5, 6])
const embedded = model(graph({ rawData: rows }))
const external = (entries: Readonly<Record<string, string>>): Uint8Array =>
  model(graph({ dataLocation: 1, externalData: Object.entries(entries).map(([key, value]) => ({ key, value })) }))

describe.each(devices)('an ONNX model on %s', (_, device) => {
  it('says what it takes and gives, and runs for any size', async () => {
    using loaded = await loadOnnx(embedded, { device })
    expect(loaded.inputs).toEqual([
      { name: 'ids', dtype: 'i64', shape: ['batch', 'tokens'] },
      { name: 'scale', dtype: 'f32', shape: [1] },
    ])
    expect(loaded.outputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['hidden', 'f32', ['batch', 'tokens', 2]],
      ['places', 'i64', [2, 'count']],
    ])
    expect(loaded.opsets).toEqual({ '': 17 })
    const scale = tensor([10])
    for (const ids of [[[0, 2, 1]], [[2], [0], [1], [2]]]) {
      const { hidden, places } = await loaded.run({ ids: tensor(ids, { dtype: 'i32' }), scale })
      expect(hidden!.shape).toEqual([ids.length, ids[0]!.length, 2])
      expect(Array.from(await hidden!.data())).toEqual(ids.flat().flatMap((id) => [20 * id + 10, 20 * id + 20]))
      expect(places!.dtype).toBe('i32')
      expect(places!.shape).toEqual([2, ids.flat().filter((id) => id !== 0).length])
    }
    const { places, ...rest } = await loaded.run({ ids: tensor([[0]], { dtype: 'i32' }), scale }, { outputs: ['places'] })
    expect([places!.shape, rest]).toEqual([[2, 0], {}])
  })

  it('takes weights from files of their own', async () => {
    const padded = new Uint8Array(64 + rows.byteLength)
    padded.set(rows, 64)
    const asked: string[] = []
    const openExternal = (location: string): Uint8Array => {
      asked.push(location)
      return padded
    }
    using loaded = await loadOnnx(external({ location: 'weights/a.bin', offset: '64', length: '24' }), { device, openExternal })
    const { hidden } = await loaded.run({ ids: tensor([[1, 1]], { dtype: 'i32' }), scale: tensor([1]) })
    expect(Array.from(await hidden!.data())).toEqual([3, 4, 3, 4])
    expect(asked).toEqual(['weights/a.bin'])
  })

  it('refuses what does not fit', async () => {
    using loaded = await loadOnnx(embedded, { device })
    const [ids, scale] = [tensor([[1]], { dtype: 'i32' }), tensor([1])]
    const message = (feeds: Parameters<typeof loaded.run>[0], options?: Parameters<typeof loaded.run>[1]): Promise<string> =>
      loaded.run(feeds, options).then(
        () => 'accepted',
        (error: Error) => error.message,
      )
    expect(await message({ ids })).toContain(`input "scale" is missing; the model has "ids", "scale"`)
    expect(await message({ ids, scale, more: scale })).toContain(`there is no input "more"`)
    expect(await message({ ids, scale }, { outputs: ['logits'] })).toContain(
      `there is no output "logits"; the model has "hidden", "places"`,
    )
    expect(await message({ ids: tensor([1], { dtype: 'i32' }), scale })).toContain('input "ids" is [batch, tokens], got [1]')
    expect(await message({ ids: tensor([[1.5]]), scale })).toContain('input "ids" is i64, given as i32 or u32; got f32. Cast it')
    expect(await message({ ids, scale: tensor([1, 2]) })).toContain('input "scale" is [1], got [2]')
    expect(await message({ ids: tensor([[9]], { dtype: 'i32' }), scale })).toContain('onnxruntime failed running the model')
    const stopped = AbortSignal.abort()
    await expect(loaded.run({ ids, scale }, { signal: stopped })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(loadOnnx(embedded, { device, signal: stopped })).rejects.toMatchObject({ code: 'ABORTED' })
    const unknown = model({ ...graph({ rawData: rows }), node: [{ opType: 'NoSuch', input: ['ids'], output: ['hidden'] }] })
    await expect(loadOnnx(unknown, { device })).rejects.toMatchObject({ code: 'RUNTIME' })
  })

  it('runs in turn, and is of no use once disposed', async () => {
    const loaded = await loadOnnx(embedded, { device })
    const run = () => loaded.run({ ids: tensor([[1, 2]], { dtype: 'i32' }), scale: tensor([1]) })
    const several = Promise.all([run(), run(), run()])
    loaded.dispose()
    expect((await several).map(({ hidden }) => hidden!.shape)).toEqual(Array.from({ length: 3 }, () => [1, 2, 2]))
    await expect(run()).rejects.toMatchObject({ code: 'DISPOSED' })
  })
})

const cpu = devices[0]![1]

it('stops a run that is under way', async () => {
  // 2^22 rounds of a loop, each of which may be the last that its signal lets through.
  const loop = model({
    node: [
      {
        opType: 'Loop',
        input: ['rounds', '', 'x'],
        output: ['y'],
        attribute: [
          {
            name: 'body',
            type: 5,
            g: {
              name: 'body',
              node: [
                { opType: 'Identity', input: ['going'], output: ['on'] },
                { opType: 'Sin', input: ['before'], output: ['after'] },
              ],
              input: [info('round', I64, []), info('going', 9, []), info('before', F32, ['n'])],
              output: [info('on', 9, []), info('after', F32, ['n'])],
            },
          },
        ],
      },
    ],
    input: [info('rounds', I64, []), info('x', F32, ['n'])],
    output: [info('y', F32, ['n'])],
  })
  using loaded = await loadOnnx(loop, { device: cpu })
  const stop = new AbortController()
  const running = loaded.run({ rounds: tensor(2 ** 30, { dtype: 'i32' }), x: tensor([1]) }, { signal: stop.signal })
  setTimeout(() => stop.abort(), 20)
  await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
})

it('holds no memory of runs that have ended', async () => {
  using loaded = await loadOnnx(embedded, { device: cpu })
  const before = [cpu.memory().liveBuffers, leakReport().tensors.length]
  for (let i = 0; i < 20; i++) {
    using ids = tensor([[1, 2]], { dtype: 'i32' })
    using scale = tensor([i])
    const results = await loaded.run({ ids, scale })
    for (const result of Object.values(results)) result.dispose()
  }
  expect([cpu.memory().liveBuffers, leakReport().tensors.length]).toEqual(before)
})

describe('files of strangers', () => {
  const refused = async (bytes: Uint8Array, options: Parameters<typeof loadOnnx>[1] = {}): Promise<string> =>
    loadOnnx(bytes, { device: cpu, label: 'x.onnx', openExternal: () => rows, ...options }).then(
      () => 'accepted',
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    )
  it.each([
    ['../../etc/passwd'],
    ['/etc/passwd'],
    ['C:\\windows\\x'],
    ['a/..\\..\\x'],
    ['http://example.org/x'],
    ['file:///etc/passwd'],
    [''],
    ['a\0b'],
  ])('must not name %j', async (location) => {
    expect(await refused(external({ location }))).toContain('expected a path inside the model')
  })

  it('must have sizes that are theirs', async () => {
    const location = 'a.bin'
    expect(await refused(external({ location, offset: '8' }))).toContain('lies at 8 to 32 of "a.bin", which has 24 bytes')
    expect(await refused(external({ location, length: '999999999999' }))).toContain('its data has 999999999999 bytes; its shape takes 24')
    expect(await refused(external({ location, offset: '-1' }))).toContain('its offset is "-1"')
    expect(await refused(external({ location, offset: '1e3' }))).toContain('its offset is "1e3"')
    const huge = graph({ dims: [2 ** 40, 2 ** 40], dataLocation: 1, externalData: [{ key: 'location', value: location }] })
    expect(await refused(model(huge))).toContain('FILE: x.onnx: weight "table"')
    expect(await refused(external({ location }), { openExternal: undefined as never })).toContain('pass openExternal')
  })

  it('must be models', async () => {
    for (const bytes of [new Uint8Array(0), new TextEncoder().encode('GGUF and more'), embedded.subarray(0, embedded.length - 40)])
      expect(await refused(bytes)).toMatch(/^FILE: x\.onnx: /)
    expect(await refused(model({ ...graph({ rawData: rows }), output: [] }))).toContain('the model has no outputs')
    expect(await refused(model({ ...graph({ rawData: rows }), input: [info('text', 8, [1])] }))).toContain(
      `DTYPE: x.onnx: input "text" is a tensor of ONNX's type 8`,
    )
    expect(await refused(model({ ...graph({ rawData: rows }), input: [{ name: 's', type: { sequenceType: {} } }] }))).toContain(
      'is no tensor',
    )
    // A million graphs in each other: the reader's own depth ends first.
    let deep: Uint8Array = new Uint8Array(0)
    const wrap = (id: number, inner: Uint8Array): Uint8Array => {
      const length: number[] = []
      for (let left = inner.length; ; left >>>= 7) {
        if (left < 128) {
          length.push(left)
          break
        }
        length.push((left & 127) | 128)
      }
      return Uint8Array.of((id << 3) | 2, ...length, ...inner)
    }
    for (let i = 0; i < 300; i++) deep = wrap(1, wrap(5, wrap(6, deep)))
    expect(await refused(Uint8Array.of(...model({ output: [info('y', F32, [1])] }), ...wrap(7, deep)))).toMatch(/^FILE: x\.onnx: /)
  })
})
