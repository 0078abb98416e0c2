/** What every package's manifest promises, so that a new package cannot leave it out. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const order = ['core', 'tokenizer', 'sampling', 'tensor', 'rag', 'transformer', 'rlhf']

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly description?: string
  readonly license?: string
  readonly type?: string
  readonly sideEffects?: boolean
  readonly engines?: Record<string, string>
  readonly files?: readonly string[]
  readonly exports: Record<string, string | Record<string, string>>
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }>
}

const threadScripts: Readonly<Record<string, readonly string[]>> = { tokenizer: ['batch-worker'], transformer: ['node/lm-worker'] }
const folders = readdirSync(join(root, 'packages'))
const read = (folder: string): Manifest => JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')) as Manifest

it('there are the seven packages', () => {
  expect([...folders].sort()).toEqual([...order].sort())
})

describe.each(folders)('packages/%s', (folder) => {
  const manifest = read(folder)

  it('is named, licensed, ESM, free of side effects, for Node 20.19 and later', () => {
    expect(manifest).toMatchObject({
      name: `@tesserae/${folder}`,
      license: 'Apache-2.0',
      type: 'module',
      // The script of a thread listens, and does nothing else.
      sideEffects: threadScripts[folder]?.flatMap((name) => [`./dist/${name}.js`, `./src/${name}.ts`]) ?? false,
      engines: { node: '>=20.19' },
      description: expect.stringMatching(/\w/),
    })
    expect(manifest.files).toEqual(['dist', 'README.md', 'CHANGELOG.md', 'LICENSE', 'NOTICE'])
    expect(existsSync(join(root, 'packages', folder, 'README.md'))).toBe(true)
  })

  it('leads each entry point to its source first, then to types and JavaScript of the same name', () => {
    for (const [key, target] of Object.entries(manifest.exports)) {
      if (key === './package.json') continue
      const name = key === '.' ? 'index' : key.slice(2)
      const conditions = target as Record<string, string>
      expect(Object.keys(conditions)).toEqual(['@tesserae/source', 'types', 'default'])
      expect(existsSync(join(root, 'packages', folder, conditions['@tesserae/source']!))).toBe(true)
      expect(conditions).toEqual({ '@tesserae/source': `./src/${name}.ts`, types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` })
    }
  })

  it('depends at run time on lower packages of this repository only, and on what it exists to use', () => {
    const ours = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@tesserae/'))
    for (const name of ours) expect(order.indexOf(name.slice('@tesserae/'.length))).toBeLessThan(order.indexOf(folder))
    const others = Object.keys(manifest.dependencies ?? {}).filter((name) => !name.startsWith('@tesserae/'))
    expect(others).toEqual(folder === 'tensor' ? ['protobufjs'] : []) // ONNX models are protobuf
  })

  it('has heavy parts as optional peers', () => {
    for (const peer of Object.keys(manifest.peerDependencies ?? {}))
      expect(manifest.peerDependenciesMeta?.[peer]).toEqual({ optional: true })
  })
})
