import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  expectInstalled,
  expectStories,
  generate,
  makeProject,
  markdownParsers,
  noStories,
  removeTarballs,
  root,
  runtimes,
  tarballDependencies,
  tarballs,
  type Project,
} from './project.js'

const names = [...tarballs().keys()]
let project: Project

beforeAll(async () => {
  project = makeProject('npm', { dependencies: { ...tarballDependencies(), ...runtimes, ...markdownParsers } })
  expectInstalled(
    await project.run('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'),
  )
}, 300_000)

afterAll(() => {
  project?.remove()
  removeTarballs()
})

/** Every entry point that users can import, of every package. */
const entries = names.flatMap((name) => {
  const { exports } = JSON.parse(readFileSync(join(tarballs().get(name)!.folder, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  return Object.keys(exports)
    .filter((key) => key !== './package.json')
    .map((key) => join(name, key))
})

/** Scripts of threads do nothing in the main one; all else is imported there. */
const scripts = entries.filter((entry) => entry.endsWith('-worker'))
const modules = entries.filter((entry) => !scripts.includes(entry))

describe('a project made with npm', () => {
  it('got the packages once each, from the tarballs', () => {
    const lock = JSON.parse(readFileSync(join(project.folder, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { resolved?: string }>
    }
    const ours = Object.entries(lock.packages).filter(([path]) => path.includes('@tesserae/'))
    expect(ours.map(([path]) => path).sort()).toEqual(names.map((name) => `node_modules/${name}`).sort())
    for (const [path, { resolved }] of ours) expect(resolved, path).toMatch(/^file:.*\.tgz$/)
  })

  it.each(modules)('imports %s, and the import ends by itself', async (entry) => {
    project.write('import.mjs', `import * as all from '${entry}'\nconsole.log(Object.keys(all).length)\n`)
    expect(Number(await project.node('import.mjs'))).toBeGreaterThan(0)
  })

  it.each(modules)('requires %s from CommonJS', async (entry) => {
    project.write('require.cjs', `console.log(Object.keys(require('${entry}')).length)\n`)
    expect(Number(await project.node('--disable-warning=ExperimentalWarning', 'require.cjs'))).toBeGreaterThan(0)
  })

  it.each(scripts)('is told what %s is for when it imports it', async (entry) => {
    project.write('import.mjs', `import '${entry}'\n`)
    await expect(project.node('import.mjs')).rejects.toThrow(/called in a worker thread; this is the main thread/)
  })

  it('encodes a batch in threads, and ends by itself', async () => {
    project.write(
      'batch.mjs',
      `import { createBatchEncoder } from '@tesserae/tokenizer/batch'
const encoder = await createBatchEncoder({ encoding: 'cl100k_base' }, { workers: 2 })
const ids = await encoder.encodeBatch(['hello world', ''])
console.log(JSON.stringify(ids.map((each) => [...each])))
`,
    )
    expect(JSON.parse(await project.node('batch.mjs'))).toEqual([[15339, 1917], []])
  })

  it('compiles a strict TypeScript program, for Node and for a bundler, with every declaration checked', async () => {
    const uses = entries.map((entry, i) => `import * as e${i} from '${entry}'\n`).join('')
    project.write(
      'program.ts',
      `${uses}import { random, TesseraeError } from '@tesserae/core'
import { tensor, type Tensor } from '@tesserae/tensor'
export const all: readonly object[] = [${entries.map((_, i) => `e${i}`).join(', ')}]
export const drawn: number = random(1).stream('a').uniform()
export async function product(): Promise<Float32Array> {
  const x: Tensor = tensor([[1, 2], [3, 4]])
  const data = await x.matmul(x).data()
  if (!(data instanceof Float32Array)) throw new TesseraeError('TYPE', 'f32 expected')
  return data
}
// @ts-expect-error a shape is not a string
tensor([1], { dtype: 'f33' })
`,
    )
    for (const [module, moduleResolution] of [
      ['NodeNext', 'NodeNext'],
      ['ESNext', 'Bundler'],
    ]) {
      const options = {
        module,
        moduleResolution,
        target: 'ES2022',
        lib: ['ES2023', 'ESNext.Disposable', 'DOM', 'DOM.Iterable'],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        types: [],
      }
      project.write('tsconfig.json', JSON.stringify({ compilerOptions: options, files: ['program.ts'] }))
      const { code, stdout } = await project.run(process.execPath, join(root, 'node_modules/typescript/bin/tsc'))
      expect(stdout).toBe('')
      expect(code).toBe(0)
    }
  })

  it('bundles for browsers with Vite: no Node modules and no native code', async () => {
    project.write('index.html', '<script type="module" src="./main.js"></script>')
    project.write(
      'main.js',
      `${names.map((name, i) => `import * as p${i} from '${name}'\n`).join('')}globalThis.tesserae = [${names.map((_, i) => `p${i}`).join(', ')}]\n`,
    )
    const warnings: string[] = []
    await build({ root: project.folder, logLevel: 'warn', customLogger: quietLogger(warnings), build: { minify: false, target: 'es2022' } })
    const assets = join(project.folder, 'dist/assets')
    const code = readdirSync(assets)
      .filter((file) => file.endsWith('.js'))
      .map((file) => readFileSync(join(assets, file), 'utf8'))
      .join('\n')
    expect(code).toContain('tesserae')
    for (const forbidden of [
      /\bfrom ?["']node:/,
      /import\(["']node:/,
      /require\(["'](node:|fs|koffi)/,
      /koffi/,
      /__vite-browser-external/,
    ]) {
      expect(code.match(forbidden)?.[0], String(forbidden)).toBeUndefined()
    }
    expect(warnings.filter((warning) => /externalized for browser|node:/.test(warning))).toEqual([])
  })

  it('generates with a trained model on ONNX Runtime', async ({ skip }) => {
    if (noStories !== undefined) skip(noStories)
    const result = await generate(project)
    expectStories(result)
    expect(result.device).toMatch(/^onnxruntime 1\.\d+\.\d+ \(C API\), \d+ threads?$/)
    expect(result.warnings).toEqual([])
  })

  it('has a doctor that says what works', async () => {
    const { code, stdout, stderr } = await project.run('npx', '--no-install', '@tesserae/tensor', 'doctor')
    expect(stderr).not.toMatch(/Error/)
    expect(stdout).toMatch(/works +ONNX Runtime's C API[^\n]*\n +onnxruntime 1\.[^\n]*\n +this is what device 'cpu' uses\n/)
    expect(stdout).toMatch(/missing onnxruntime-web[^]*run: npm install onnxruntime-web/)
    expect(code).toBe(0)
  })
})

function quietLogger(warnings: string[]) {
  const warn = (message: string): void => void warnings.push(message)
  return { info: () => {}, warn, warnOnce: warn, error: warn, clearScreen: () => {}, hasErrorLogged: () => false, hasWarned: false }
}
