/** Grammars applied by transformers.js and node-llama-cpp, as users install them, with models of random weights. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patterns, schema } from './adapt-grammars.mjs'
import { expectInstalled, makeProject, removeTarballs, root, tarballDependencies, type Project } from './project.js'
import { writeGguf, writeTransformersModel } from './tiny-models.js'

const peers = { '@huggingface/transformers': '4.3.1', 'node-llama-cpp': '3.22.1' }
/** llama.cpp for this machine, without those for graphics cards, which are large. */
const binaries = `@node-llama-cpp/${{ darwin: 'mac', win32: 'win', linux: 'linux' }[process.platform as string]}-${process.arch}${process.platform === 'darwin' && process.arch === 'arm64' ? '-metal' : ''}`

const kinds = ['byte-level', 'pieces'] as const
let project: Project
let models: string

beforeAll(async () => {
  const ours = tarballDependencies()
  const named = ['@tesserae/core', '@tesserae/sampling'].map((name) => [name, ours[name]!] as const)
  // ONNX Runtime is large, and the same in this repository; that for pages is not needed.
  const installed = (name: string): string => `file:${join(root, 'node_modules', name)}`
  const common = { 'onnxruntime-common': installed('onnxruntime-common') }
  project = makeProject('adapters', {
    dependencies: { ...Object.fromEntries(named), ...peers, ...common, [binaries]: peers['node-llama-cpp'] },
    overrides: {
      'onnxruntime-node': installed('onnxruntime-node'),
      'onnxruntime-web': installed('onnxruntime-web'),
      sharp: 'file:no-images',
    },
  })
  // Its native part is an optional package, of which the others, llama.cpp for graphics cards, are left out.
  mkdirSync(join(project.folder, 'no-images'))
  project.write('no-images/package.json', '{ "name": "sharp", "version": "0.35.4", "type": "module", "main": "index.js" }')
  project.write('no-images/index.js', 'export default () => { throw new Error("no images here") }\n')
  expectInstalled(
    await project.run(
      'npm',
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--omit=optional',
      '--loglevel=error',
    ),
  )
  for (const file of ['adapt-grammars.mjs', 'adapt-transformers.mjs', 'adapt-llama.mjs'])
    copyFileSync(join(root, 'tests/consumers', file), join(project.folder, file))
  models = join(project.folder, 'models')
  for (const kind of kinds) {
    mkdirSync(join(models, kind), { recursive: true })
    writeTransformersModel(join(models, kind), kind)
    writeGguf(join(models, `${kind}.gguf`), kind, kind === 'byte-level' ? 3000 : 0)
  }
}, 300_000)

afterAll(() => {
  project?.remove()
  removeTarballs()
})

interface Text {
  readonly kind: string
  readonly name: string
  readonly text: string
}

/** Every text is one of its grammar, told without our own code. */
function expectFollowing(texts: readonly Text[]): void {
  const names = [...Object.keys(patterns), 'schema']
  for (const kind of kinds) expect(new Set(texts.filter((one) => one.kind === kind).map(({ name }) => name))).toEqual(new Set(names))
  for (const { kind, name, text } of texts) {
    const what = `${kind} ${name} ${JSON.stringify(text)}`
    if (name !== 'schema') expect(text, what).toMatch(new RegExp(patterns[name as keyof typeof patterns], 'u'))
    else {
      const { name: called, age, ...others } = JSON.parse(text) as { name: string; age: number }
      expect([...called].length, what).toBeLessThanOrEqual(schema.properties.name.maxLength)
      expect(Number.isInteger(age) && age >= 0 && age <= 99, what).toBe(true)
      expect(others, what).toEqual({})
    }
  }
}

describe('grammars', () => {
  it('hold what transformers.js generates, greedily and sampled, two sequences at a time', async () => {
    const texts = JSON.parse(await project.node('adapt-transformers.mjs', models, '@huggingface/transformers')) as (Text & {
      readonly ended: boolean
    })[]
    expect(texts).toHaveLength(2 * 5 * 2 * 2)
    expectFollowing(texts)
    for (const { ended, name } of texts) expect(ended, name).toBe(true)
  })

  it('hold what node-llama-cpp generates, with the ids that chains choose from all logits', async () => {
    const texts = JSON.parse((await project.node('adapt-llama.mjs', models, 'node-llama-cpp')).trim().split('\n').at(-1)!) as (Text & {
      readonly chain: string
      readonly same: boolean
      readonly count: number
      readonly evaluations: number
    })[]
    expect(texts).toHaveLength(2 * 5 * 4)
    expectFollowing(texts)
    for (const { same, name, chain } of texts) expect(same, `${name} ${chain}`).toBe(true)
    // One evaluation a token, and another where the highest logits do not tell.
    for (const { evaluations, count, ...one } of texts)
      if (one.kind === 'byte-level' && one.name === 'rare' && one.chain === 'wide') expect(evaluations).toBeGreaterThan(count + 1)
      else if (one.name !== 'rare') expect(evaluations, JSON.stringify(one)).toBe(count + 1)
  })

  it('have the types that both libraries expect', async () => {
    project.write(
      'program.ts',
      `import { AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList } from '@huggingface/transformers'
import { llamaGenerate, llamaVocabulary, transformersProcessor, transformersVocabulary } from '@tesserae/sampling/adapters'
import { grammar } from '@tesserae/sampling/grammar'
import { getLlama, type Token } from 'node-llama-cpp'

const year = grammar.fromRegex('^\\\\d{4}$')
export async function transformers(name: string): Promise<unknown> {
  const tokenizer = await AutoTokenizer.from_pretrained(name)
  const model = await AutoModelForCausalLM.from_pretrained(name)
  const list = new LogitsProcessorList()
  list.push(transformersProcessor(year, transformersVocabulary(tokenizer)))
  return model.generate({ ...tokenizer('The year: '), max_new_tokens: 8, logits_processor: list })
}
export async function llama(modelPath: string): Promise<string> {
  const model = await (await getLlama()).loadModel({ modelPath })
  const context = await model.createContext()
  const options = { grammar: year, vocabulary: llamaVocabulary(model) }
  const tokens: Token[] = []
  for await (const token of llamaGenerate(context.getSequence(), model.tokenize('The year: '), options)) tokens.push(token)
  return model.detokenize(tokens)
}
`,
    )
    const compilerOptions = {
      ...{
        module: 'NodeNext',
        moduleResolution: 'NodeNext',
        target: 'ES2022',
        lib: ['ES2023', 'ESNext.Disposable', 'DOM', 'DOM.Iterable'],
      },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true, noEmit: true, types: [] },
    }
    project.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['program.ts'] }))
    const { code, stdout } = await project.run(process.execPath, join(root, 'node_modules/typescript/bin/tsc'))
    expect(stdout).toBe('')
    expect(code).toBe(0)
  })
})
