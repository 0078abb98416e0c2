/** Projects outside the repository that install the packages as npm would publish them. */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packPackages } from '../../tools/setup/pack.mjs'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Versions of what users install beside the packages: the ones this repository is tested with. */
const versions = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> })
  .devDependencies
export const runtimes = { koffi: versions['koffi']!, 'onnxruntime-node': versions['onnxruntime-node']! }

/** What `@tesserae/rag/markdown` parses with: optional peers, which whoever imports that entry point installs. */
export const markdownParsers = Object.fromEntries(
  ['mdast-util-from-markdown', 'mdast-util-gfm', 'micromark-extension-gfm'].map((name) => [name, versions[name]!]),
)
export const webRuntime = { 'onnxruntime-web': versions['onnxruntime-web']! }

export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The environment of a user's shell: what npm and the test runner put into this process's is left out. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_(cafile|cache|registry)$)|INIT_CWD$|NODE_OPTIONS$|VITEST|TEST$|NODE_ENV$)/i.test(name),
  )
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.includes('node_modules'))
  return { ...Object.fromEntries(inherited), PATH: [dirname(process.execPath), ...path].join(':'), NO_COLOR: '1' }
}

export interface Project {
  readonly folder: string
  /** Runs a program in the project; rejects when it cannot be started, resolves whatever its exit code. */
  run(command: string, ...args: string[]): Promise<Output>
  /** Runs Node in the project and returns its output. Throws with everything it printed when it fails. */
  node(...args: string[]): Promise<string>
  write(path: string, text: string): void
  remove(): void
}

let packed: ReturnType<typeof packPackages> | undefined

/** Packs the packages once per test file. */
export function tarballs(): ReturnType<typeof packPackages> {
  packed ??= packPackages(join(root, '.cache', `consumers-${process.pid}`))
  return packed
}

/** A fresh folder with a package.json that depends on every published package by tarball. Installs nothing yet. */
export function makeProject(name: string, manifest: object): Project {
  const folder = mkdtempSync(join(tmpdir(), `tesserae-consumer-${name}-`))
  const run = (command: string, ...args: string[]): Promise<Output> =>
    new Promise((resolve, reject) => {
      execFile(command, args, { cwd: folder, env: plainEnvironment(), maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error)
        else resolve({ code: (error?.code as number | undefined) ?? 0, stdout, stderr })
      })
    })
  const write = (path: string, text: string): void => writeFileSync(join(folder, path), text)
  write('package.json', JSON.stringify({ name: `consumer-${name}`, private: true, type: 'module', ...manifest }))
  return {
    folder,
    run,
    write,
    node: async (...args) => {
      const { code, stdout, stderr } = await run(process.execPath, ...args)
      if (code !== 0) throw new Error(`node ${args.map((arg) => basename(arg)).join(' ')} ended with ${code}\n${stdout}${stderr}`)
      return stdout
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Dependencies on the tarballs, by package name. */
export function tarballDependencies(): Record<string, string> {
  return Object.fromEntries([...tarballs()].map(([name, { path }]) => [name, `file:${path}`]))
}

export function removeTarballs(): void {
  rmSync(join(root, '.cache', `consumers-${process.pid}`), { recursive: true, force: true })
  packed = undefined
}

export interface Generated {
  readonly device: string
  readonly warnings: readonly string[]
  /** For each prompt, whether the ids are those of llama2.c. */
  readonly same: readonly boolean[]
  readonly texts: readonly string[]
  readonly liveBuffers: number
}

const data = join(root, '../shared/data')
export const noStories = existsSync(join(data, 'stories260K.bin'))
  ? undefined
  : 'stories260K.bin is not in ../shared/data, which is not part of the repository'

/** Loads a trained model in the project and continues its prompts; which device that took is printed. */
export async function generate(project: Project): Promise<Generated> {
  copyFileSync(join(root, 'tests/consumers/generate.mjs'), join(project.folder, 'generate.mjs'))
  const result = JSON.parse(await project.node('generate.mjs', data)) as Generated
  console.log(`stories260K in ${basename(project.folder).replace(/-[^-]*$/, '')}: ${result.device}`)
  return result
}

/** What has to hold on every device. */
export function expectStories({ same, texts, liveBuffers }: Generated): void {
  if (same.length !== 2 || same.includes(false)) throw new Error(`not what llama2.c writes:\n${texts.join('\n---\n')}`)
  if (liveBuffers !== 0) throw new Error(`${liveBuffers} buffers were left after dispose()`)
}

/** Fails with what the installer printed. */
export function expectInstalled({ code, stdout, stderr }: Output): void {
  if (code !== 0) throw new Error(`installation ended with ${code}\n${stdout}${stderr}`)
}
