import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TensorError } from '../../errors.js'
import { GgufBytes } from '../gguf/testing/bytes.js'
import { openSafetensors } from '../safetensors.js'
import type { TensorEntry } from '../safetensors-write.js'
import { mappedFiles } from '../../testing/mapped-files.js'
import { fileSource, openGgufPath, openSafetensorsPath } from './file.js'
import { loadMapper } from './map.js'
import { saveSafetensors } from './save.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-io-'))
})
afterEach(() => rm(folder, { recursive: true }))

const large = (name: string, fill: number, kilobytes = 128): TensorEntry & { bytes: Uint8Array } => ({
  name,
  dtype: 'u8',
  shape: [kilobytes, 1024],
  bytes: new Uint8Array(kilobytes * 1024).map((_, i) => (i + fill) & 255),
})

async function failure(promise: Promise<unknown>): Promise<TensorError> {
  const error: unknown = await promise.then(
    () => 'no error',
    (cause: unknown) => cause,
  )
  expect(TensorError.isInstance(error), String(error)).toBe(true)
  return error as TensorError
}

describe.each([true, false])('with mapping: %s', (map) => {
  test('a file is read by ranges', async () => {
    const path = join(folder, 'a.safetensors')
    const entries = [large('big', 3), large('other', 9, 200), { name: 'small', dtype: 'f32', shape: [2], bytes: new Uint8Array(8).fill(5) }]
    expect(await saveSafetensors(path, entries, { metadata: { step: '1' } })).toEqual([path])
    const file = await openSafetensorsPath(path, { map })
    expect(file.metadata['step']).toBe('1')
    const read = await Promise.all(entries.map((entry) => file.bytes(entry.name)))
    await file.dispose()
    // Views stay valid after the file is closed, and after it is replaced.
    await saveSafetensors(path, [large('big', 77)])
    read.forEach((bytes, i) => expect(Buffer.compare(bytes, entries[i]!.bytes)).toBe(0))
    expect((await failure(file.bytes('big'))).code).toBe('DISPOSED')
    expect((await readdir(folder)).sort()).toEqual(['a.safetensors'])
  })

  test('a write into a tensor changes neither the process nor the file', async () => {
    const path = join(folder, 'a.safetensors')
    await saveSafetensors(path, [large('big', 3)])
    const before = await readFile(path)
    const file = await openSafetensorsPath(path, { map })
    ;(await file.bytes('big')).fill(1)
    await file.dispose()
    expect(Buffer.compare(await readFile(path), before)).toBe(0)
  })

  test('a file cut after it was opened is an error, not a crash', async () => {
    const path = join(folder, 'a.safetensors')
    await saveSafetensors(path, [large('big', 3)])
    const file = await openSafetensorsPath(path, { map })
    await truncate(path, 1000)
    expect((await failure(file.bytes('big'))).message).toMatch(/may have been cut/)
    await file.dispose()
  })
})

test.runIf(process.platform !== 'win32')('ranges at any offset are mapped', async () => {
  const path = join(folder, 'bytes')
  const content = new Uint8Array(300_000).map((_, i) => (i * 31) & 255)
  await writeFile(path, content)
  expect(await loadMapper()).toBeDefined()
  const source = await fileSource(path)
  for (const [offset, length] of [
    [0, 65_536],
    [1, 70_000],
    [65_535, 65_537],
    [65_536, 200_000],
    [200_001, 99_999],
  ] as const) {
    const bytes = await source.read(offset, length)
    expect(bytes.buffer.byteLength, 'mapped from a page boundary').toBe(length + (offset % 65_536))
    expect(Buffer.compare(bytes, content.subarray(offset, offset + length))).toBe(0)
    // Later versions of Node throw here, earlier ones copy.
    try {
      structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })
    } catch {}
    expect(bytes.byteLength, 'not transferred').toBe(length)
  }
  await source.dispose?.()
})

test.runIf(existsSync('/proc/self/pagemap') && process.arch === 'x64')(
  'a file that is closed gives its memory back, but for what was written to',
  async () => {
    const path = join(folder, 'weights')
    const content = new Uint8Array(1 << 20).map((_, i) => (i * 31) & 255)
    await writeFile(path, content)
    const resident = (): number => mappedFiles(new RegExp(`${path}$`)).kilobytes
    const first = await fileSource(path)
    const read = await first.read(0, content.length)
    expect(Buffer.compare(read, content)).toBe(0)
    expect(resident()).toBe(1024)
    await first.dispose?.()
    expect(resident()).toBe(0)
    expect(Buffer.compare(read, content), 'read once more').toBe(0)

    const second = await fileSource(path)
    const written = await second.read(0, content.length)
    written[5000] = 7
    await second.dispose?.()
    expect(written[5000]).toBe(7)
    expect(content[5000]).not.toBe(7)
  },
)

test.runIf(process.platform === 'linux')('a mapping goes when its last view is collected', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const path = join(folder, 'mapped')
  await writeFile(path, new Uint8Array(200_000).fill(7))
  const source = await fileSource(path)
  const mappings = async (): Promise<number> =>
    (await readFile('/proc/self/maps', 'utf8')).split('\n').filter((line) => line.endsWith(path)).length
  const views = [await source.read(0, 100_000), await source.read(100_000, 100_000)]
  await source.dispose?.()
  expect(await mappings()).toBe(2)
  for (let i = 0; i < 5; i++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(await mappings(), 'still reachable').toBe(2)
  expect(views.map((view) => view[99_999])).toEqual([7, 7])
  views.length = 0
  for (let i = 0; i < 50 && (await mappings()) > 0; i++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(await mappings()).toBe(0)
})

test('errors name the path', async () => {
  const missing = await failure(fileSource(join(folder, 'none')))
  expect([missing.code, missing.message]).toEqual(['IO', expect.stringContaining(join(folder, 'none'))])
  expect((await failure(fileSource(folder))).message).toContain('is not a file')
  expect((await failure(openSafetensorsPath(folder))).message).toContain('neither model.safetensors.index.json nor model.safetensors')
  await writeFile(join(folder, 'bad.safetensors'), 'short')
  const bad = await failure(openSafetensorsPath(join(folder, 'bad.safetensors')))
  expect([bad.code, bad.message]).toEqual(['FILE', expect.stringContaining('bad.safetensors')])
})

describe('sharded', () => {
  const entries = [large('a', 1), large('b', 2), large('c', 3)]
  const check = async (path: string, list = entries): Promise<void> => {
    const file = await openSafetensorsPath(path)
    expect(file.names).toEqual(list.map((entry) => entry.name))
    for (const entry of list) expect(Buffer.compare(await file.bytes(entry.name), entry.bytes)).toBe(0)
    await file.dispose()
  }

  test('written, read by index and by folder, and replaced', async () => {
    const path = join(folder, 'model.safetensors')
    await saveSafetensors(path, entries)
    await check(folder)
    const written = await saveSafetensors(path, entries, { maxShardBytes: 300_000 })
    expect(written.map((file) => file.slice(folder.length + 1))).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ])
    // The single file of the first save is gone: two checkpoints under one name would be ambiguous.
    expect((await readdir(folder)).sort()).toEqual(written.map((file) => file.slice(folder.length + 1)).sort())
    await check(folder)
    await check(written[2]!)
    await saveSafetensors(path, entries, { maxShardBytes: 100_000 })
    expect(await readdir(folder)).toHaveLength(4)
    await check(folder)
    await writeFile(join(folder, 'model-backup.safetensors'), 'not ours')
    await saveSafetensors(path, entries)
    expect((await readdir(folder)).sort()).toEqual(['model-backup.safetensors', 'model.safetensors'])
    await check(folder)
  })

  test('a missing shard', async () => {
    const path = join(folder, 'model.safetensors')
    const [first] = await saveSafetensors(path, entries, { maxShardBytes: 100_000 })
    await rename(first!, `${first!}.away`)
    const error = await failure(openSafetensorsPath(folder))
    expect([error.code, error.message]).toEqual([
      'IO',
      expect.stringContaining('shard "model-00001-of-00003.safetensors" could not be opened'),
    ])
  })
})

describe('GGUF', () => {
  const pathOf = (part: number): string => join(folder, `model-0000${part}-of-00002.gguf`)

  test('one file, and several by the path of any', async () => {
    await writeFile(join(folder, 'one.gguf'), GgufBytes.begin(1, 0).tensor('t', [2], 0, 0).file(8))
    const one = await openGgufPath(join(folder, 'one.gguf'))
    expect((await one.tensor('t')).shape).toEqual([2])
    await one.dispose()
    await writeFile(pathOf(1), GgufBytes.part(0, 2, 'a'))
    await writeFile(pathOf(2), GgufBytes.part(1, 2, 'b'))
    for (const part of [1, 2]) {
      const all = await openGgufPath(pathOf(part))
      expect(all.names).toEqual(['a', 'b'])
      await all.dispose()
    }
  })

  test('a file that is missing is named', async () => {
    await writeFile(pathOf(1), GgufBytes.part(0, 2, 'a'))
    const error = await failure(openGgufPath(pathOf(1)))
    expect([error.code, error.message]).toEqual(['IO', expect.stringContaining('model-00002-of-00002.gguf')])
    await writeFile(join(folder, 'alone.gguf'), GgufBytes.part(0, 2, 'a'))
    expect((await failure(openGgufPath(join(folder, 'alone.gguf')))).message).toContain('one of 2 files that are a model together')
  })
})

describe('a save that fails leaves everything as it was', () => {
  const path = (): string => join(folder, 'model.safetensors')
  test.each([
    ['wrong size', { name: 'x', dtype: 'f32', shape: [2], bytes: () => new Uint8Array(4) }, {}, 'VALUE'],
    ['a producer that throws', { name: 'x', dtype: 'f32', shape: [2], bytes: () => Promise.reject(new Error('gone')) }, {}, 'IO'],
    ['aborted', large('x', 1), { signal: AbortSignal.abort() }, 'ABORTED'],
  ])('%s', async (_, entry: TensorEntry, options, code) => {
    await saveSafetensors(path(), [large('old', 1)])
    const before = await stat(path())
    expect((await failure(saveSafetensors(path(), [large('new', 2), entry], { ...options, maxShardBytes: 50_000 }))).code).toBe(code)
    expect(await readdir(folder)).toEqual(['model.safetensors'])
    expect((await stat(path())).ino).toBe(before.ino)
  })

  test('a folder that does not exist, and another extension', async () => {
    expect((await failure(saveSafetensors(join(folder, 'no', 'x.safetensors'), []))).code).toBe('IO')
    expect((await failure(saveSafetensors(join(folder, 'x.bin'), []))).code).toBe('VALUE')
  })
})

test('a file opened by its source', async () => {
  const path = join(folder, 'x.safetensors')
  await saveSafetensors(path, [large('x', 1)])
  const file = await openSafetensors(await fileSource(path))
  expect(file.names).toEqual(['x'])
  await file.dispose()
})
