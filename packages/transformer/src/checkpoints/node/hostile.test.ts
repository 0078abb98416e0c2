import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TesseraeError } from '@tesserae/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { goodFiles, hostileFiles, type HostileFiles } from '../testing/hostile-files.js'
import { loadModel } from '../../load/load.js'

let folder: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostile-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function written({ files, entry }: HostileFiles): Promise<string> {
  const place = join(folder, String(count++))
  await mkdir(place)
  for (const [name, content] of Object.entries(files)) await writeFile(join(place, name), content)
  return entry === undefined ? place : join(place, entry)
}

it('loads the models that are changed below', async () => {
  for (const good of await goodFiles()) {
    const lm = await loadModel(await written(good))
    expect((await lm.generate('a', { maxTokens: 2 })).usage.completionTokens, good.name).toBe(2)
    await lm.dispose()
  }
})

it('refuses every checkpoint that means no good with a typed error', async () => {
  const all = await hostileFiles()
  expect(all.length).toBeGreaterThanOrEqual(60)
  const untyped: string[] = []
  for (const one of all) {
    const error: unknown = await loadModel(await written(one)).then(
      (lm) => lm.dispose(),
      (caught: unknown) => caught,
    )
    if (!TesseraeError.isInstance(error)) untyped.push(`${one.name}: ${String(error)}`)
  }
  expect(untyped).toEqual([])
})
