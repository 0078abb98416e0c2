/** Projects without native parts: onnxruntime-web alone, in Node and in a bundle for browsers, and no runtime at all. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findChromium, launchChromium, noChromium } from '../browser/chromium.js'
import { serveFolders } from '../browser/server.js'
import {
  expectInstalled,
  expectStories,
  generate,
  makeProject,
  noStories,
  removeTarballs,
  root,
  tarballDependencies,
  webRuntime,
  type Project,
} from './project.js'

const executable = findChromium()
const projects: Project[] = []

async function install(name: string, dependencies: Record<string, string>): Promise<Project> {
  const project = makeProject(name, { dependencies: { ...tarballDependencies(), ...dependencies } })
  projects.push(project)
  expectInstalled(await project.run('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'))
  return project
}

afterAll(() => {
  for (const project of projects) project.remove()
  removeTarballs()
})

const native =
  /koffi \+ onnxruntime-node\): the package onnxruntime-node is not installed\. Run: npm install koffi onnxruntime-node --ignore-scripts/

/** Computes in a page and in a module worker, and writes what came out, and where, into the page. */
const page = {
  'index.html': '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="./main.ts"></script>',
  'compute.ts': `import { defaultDevice, onWarning, tensor } from '@tesserae/tensor'
import { greedy } from '@tesserae/sampling'
import { trainBpe } from '@tesserae/tokenizer'
import { createModel, initWeights, llama } from '@tesserae/transformer'

export interface Result { device: string; warnings: string[]; product: number[]; ids: readonly number[]; text: string; sampler: string }

export async function compute(): Promise<Result> {
  const warnings: string[] = []
  onWarning((message) => warnings.push(message))
  const device = (await defaultDevice()).description
  const x = tensor([[1, 2], [3, 4]])
  const product = Array.from(await x.matmul(x).data(), Number)
  x.dispose()
  const tokenizer = await trainBpe(['a rose is a rose is a rose'], { vocabSize: 262 })
  const config = llama({ vocabSize: tokenizer.vocabSize, width: 8, layers: 1, heads: 2, hidden: 16, context: 16 })
  const model = await createModel({ config, weights: initWeights(config, { seed: 1 }), tokenizer })
  const { ids } = await model.generate('a rose', { maxTokens: 3 })
  model.dispose()
  return { device, warnings, product, ids, text: tokenizer.decode(tokenizer.encode('a rose')), sampler: greedy().name }
}
`,
  'worker.ts': `import { compute } from './compute'
compute().then(postMessage, (error) => postMessage(String(error)))
`,
  'main.ts': `import { compute } from './compute'
const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const reply = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)))
const results = [await compute(), await reply]
document.body.dataset['results'] = JSON.stringify(results)
`,
}

/** Builds the page with Vite's defaults, as a user's project would, and returns its files. */
async function bundle(project: Project): Promise<{ readonly folder: string; readonly scripts: string; readonly wasm: readonly string[] }> {
  for (const [name, text] of Object.entries(page)) project.write(name, text)
  // Two lines that every project with module workers and a top-level await writes.
  project.write('vite.config.mjs', "export default { worker: { format: 'es' }, build: { target: 'es2022' } }\n")
  const { code, stdout, stderr } = await project.run(process.execPath, join(root, 'node_modules/vite/bin/vite.js'), 'build')
  expect(code, stdout + stderr).toBe(0)
  const folder = join(project.folder, 'dist')
  const files = readdirSync(join(folder, 'assets'))
  const scripts = files.filter((name) => /\.m?js$/.test(name)).map((name) => readFileSync(join(folder, 'assets', name), 'utf8'))
  return {
    folder,
    scripts: scripts.join('\n'),
    wasm: files.filter((name) => name.endsWith('.wasm')).map((name) => join(folder, 'assets', name)),
  }
}

interface Opened {
  readonly results: readonly { device: string; warnings: string[]; product: number[]; ids: number[]; text: string; sampler: string }[]
  readonly missing: readonly string[]
  readonly messages: readonly string[]
}

async function open(folder: string): Promise<Opened> {
  await using server = await serveFolders({ folders: { '/': folder }, isolated: true })
  const browser = await launchChromium(executable!)
  try {
    const tab: Page = await browser.newPage()
    const messages: string[] = []
    tab.on('console', (message) => messages.push(message.text()))
    tab.on('pageerror', (error) => messages.push(error.message))
    await tab.goto(server.origin)
    await tab
      .waitForFunction(() => document.body.dataset['results'] !== undefined, undefined, { timeout: 60_000 })
      .catch((cause: unknown) => {
        throw new Error(`no results; the page said: ${messages.join('\n')}`, { cause })
      })
    const results = JSON.parse(await tab.evaluate(() => document.body.dataset['results']!)) as Opened['results']
    return { results, missing: server.missing, messages }
  } finally {
    await browser.close()
  }
}

const nodeImports = [/\bfrom ?["'`]node:/, /import\(["'`]node:(?!(fs|path|url|module|worker_threads|os|vm))/, /koffi/]

describe('a project with onnxruntime-web alone', () => {
  let project: Project
  beforeAll(async () => {
    project = await install('web', webRuntime)
  }, 300_000)

  it('generates with a trained model in Node, and says that there is a faster way', async ({ skip }) => {
    if (noStories !== undefined) skip(noStories)
    const result = await generate(project)
    expectStories(result)
    expect(result.device).toMatch(/^onnxruntime-web 1\.\d+\.\d+ \(WebAssembly\), \d+ threads?$/)
    expect(result.warnings).toHaveLength(1)
    expect(result.warnings[0]).toMatch(/runs on onnxruntime-web .* because a faster way was not available/)
    expect(result.warnings[0]).toMatch(native)
  })

  it('has a doctor that finds WebAssembly', async () => {
    const { code, stdout } = await project.run('npx', '--no-install', '@tesserae/tensor', 'doctor')
    expect(stdout).toMatch(/missing ONNX Runtime's C API[^\n]*\n[^\n]*\n +run: npm install koffi onnxruntime-node --ignore-scripts\n/)
    expect(stdout).toMatch(/works +onnxruntime-web[^\n]*\n +onnxruntime-web 1\.[^\n]*GFLOP\/s\)\n +this is what device 'cpu' uses\n/)
    expect(code).toBe(0)
  })

  it('bundles with Vite: one WebAssembly file, no Node modules, no native code; and runs in Chromium, page and worker', async ({
    skip,
  }) => {
    const { folder, scripts, wasm } = await bundle(project)
    for (const forbidden of nodeImports) expect(scripts.match(forbidden)?.[0], String(forbidden)).toBeUndefined()
    expect(wasm).toHaveLength(1)
    expect(statSync(wasm[0]!).size).toBeLessThan(16e6)
    skip(executable === undefined, noChromium)
    const { results, missing, messages } = await open(folder)
    expect(results).toHaveLength(2)
    expect(results[1]).toEqual(results[0])
    expect(results[0]).toMatchObject({
      device: expect.stringMatching(/^onnxruntime-web 1\./) as string,
      warnings: [],
      product: [7, 10, 15, 22],
      ids: { length: 3 },
      text: 'a rose',
      sampler: 'greedy',
    })
    expect(missing).toEqual([])
    expect(messages).toEqual([])
  })
})

describe('a project without any runtime', () => {
  let project: Project
  beforeAll(async () => {
    project = await install('bare', {})
  }, 300_000)

  it('generates on the reference interpreter, and says what was tried and what to install', async ({ skip }) => {
    if (noStories !== undefined) skip(noStories)
    const result = await generate(project)
    expectStories(result)
    expect(result.device).toMatch(/^reference interpreter/)
    expect(result.warnings).toHaveLength(1)
    expect(result.warnings[0]).toMatch(native)
    expect(result.warnings[0]).toMatch(
      /- onnxruntime-web \(WebAssembly\): the package onnxruntime-web is not installed\. Run: npm install onnxruntime-web\n/,
    )
  })

  it('refuses what would take for ever, with the same list', async () => {
    project.write(
      'large.mjs',
      "import { zeros } from '@tesserae/tensor'\nawait zeros([4096, 4096]).add(1).data().catch(({ code, message }) => console.log(JSON.stringify({ code, message })))\n",
    )
    const { code, message } = JSON.parse(await project.node('large.mjs')) as { code: string; message: string }
    expect(code).toBe('DEVICE')
    expect(message).toMatch(native)
  })

  it('has a doctor that fails and names every command', async () => {
    const { code, stdout } = await project.run('npx', '--no-install', '@tesserae/tensor', 'doctor')
    // Three ways on the CPU, WebGPU and CUDA.
    expect(stdout.match(/^missing /gm)).toHaveLength(5)
    expect(stdout).toMatch(/run: npm install webgpu\n/)
    expect(stdout).toMatch(/run: npm install koffi onnxruntime-node --ignore-scripts\n/)
    expect(stdout).toMatch(/run: npm install onnxruntime-web\n/)
    expect(stdout).toMatch(/would fall back to the reference interpreter/)
    expect(code).toBe(1)
  })

  it('still bundles with Vite, and the page falls back with a warning', async ({ skip }) => {
    const { folder, scripts, wasm } = await bundle(project)
    for (const forbidden of nodeImports) expect(scripts.match(forbidden)?.[0], String(forbidden)).toBeUndefined()
    expect(wasm).toEqual([])
    skip(executable === undefined, noChromium)
    const { results } = await open(folder)
    for (const { device, warnings, product } of results) {
      expect(device).toMatch(/^reference interpreter/)
      expect(product).toEqual([7, 10, 15, 22])
      expect(warnings).toEqual([expect.stringMatching(/- onnxruntime-web \(WebAssembly\): .*Run: npm install onnxruntime-web/)])
    }
  })
})
