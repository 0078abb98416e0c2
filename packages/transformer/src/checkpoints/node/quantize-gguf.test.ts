import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openGgufPath } from '@tesserae/tensor/node'
import { afterAll, describe, expect, it } from 'vitest'
import { quantizeGguf } from './quantize-gguf.js'

const source = fileURLToPath(new URL('../__fixtures__/qwen3.gguf', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'tesserae-quantize-'))
afterAll(() => rm(folder, { recursive: true }))

describe('a GGUF file in fewer bits', () => {
  it.each(['q8_0', 'q4_1', 'f16'] as const)('%s has what the file says, and matrices in blocks', async (type) => {
    const path = join(folder, `${type}.gguf`)
    const progress: number[] = []
    await quantizeGguf(source, path, { type, onProgress: (done, total) => progress.push(done / total) })
    const [before, after] = [await openGgufPath(source), await openGgufPath(path)]
    const plain = new Map(after.metadata)
    for (const key of ['general.file_type', 'general.quantization_version']) plain.delete(key)
    const expected = new Map(before.metadata)
    for (const key of ['general.file_type', 'general.quantization_version']) expected.delete(key)
    expect(plain).toEqual(expected)
    for (const [key, kind] of before.types) expect(after.types.get(key)).toBe(kind)
    expect([...after.names].toSorted()).toEqual([...before.names].toSorted())
    let changed = 0
    for (const name of before.names) {
      const [old, fresh] = [before.info(name), after.info(name)]
      expect(fresh.shape).toEqual(old.shape)
      if (fresh.dtype === old.dtype) expect(Buffer.from(await after.bytes(name)).equals(await before.bytes(name))).toBe(true)
      else {
        changed++
        expect(fresh.dtype).toBe(type.toUpperCase())
        const values = async (file: typeof after): Promise<Float32Array> => {
          const { bytes } = await file.tensor(name, { dtype: 'f32' })
          return new Float32Array(bytes.slice().buffer)
        }
        const [a, b] = [await values(before), await values(after)]
        const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))).toBeLessThanOrEqual(largest / (type === 'q4_1' ? 14 : 250))
      }
    }
    const rowsFit = before.names.filter(
      (name) => before.info(name).shape.length === 2 && (type === 'f16' || before.info(name).shape[1]! % 32 === 0),
    )
    expect(changed).toBe(rowsFit.length)
    expect(changed).toBeGreaterThan(1)
    expect(progress.at(-1)).toBe(1)
    await Promise.all([before.dispose(), after.dispose()])
  })

  it('leaves nothing behind when it is stopped', async () => {
    const path = join(folder, 'stopped.gguf')
    const stop = new AbortController()
    await expect(quantizeGguf(source, path, { type: 'q8_0', signal: stop.signal, onProgress: () => stop.abort() })).rejects.toThrow('abort')
    await expect(quantizeGguf(source, path, { type: 'q9' as 'q8_0' })).rejects.toThrow('type is "q9"; expected one of \'q8_0\'')
    expect((await readdir(folder)).filter((name) => name.includes('stopped'))).toEqual([])
  })
})
