/** The rules that the checks promise, each broken on purpose in a small workspace. */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findProblems } from './files.mjs'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'tesserae-checks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

/** Runs one of the repository's own tools in the small workspace; resolves with what it printed. */
function run(command: string, args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(
      join(root, 'node_modules/.bin', command),
      args,
      { cwd: folder, env: { ...process.env, NO_COLOR: '1' } },
      (_error, stdout, stderr) => resolve(stdout + stderr),
    )
  })
}

const manifest = (name: string, more: object = {}): string =>
  JSON.stringify({ name: `@tesserae/${name}`, type: 'module', exports: { '.': { '@tesserae/source': './src/index.ts' } }, ...more })

write({
  'package.json': JSON.stringify({ private: true, workspaces: ['packages/*'], devDependencies: { koffi: '*' } }),
  'tsconfig.base.json':
    '{ "compilerOptions": { "module": "ESNext", "moduleResolution": "Bundler", "customConditions": ["@tesserae/source"] } }',
  'packages/core/package.json': manifest('core'),
  'packages/core/src/index.ts': "export const base = 1\nexport const tensor = () => import('@tesserae/tensor')\n",
  'packages/tensor/package.json': manifest('tensor', { dependencies: { '@tesserae/core': '*' } }),
  'packages/tensor/src/index.ts': "export { base } from '@tesserae/core'\nexport * from './a.js'\nimport './files.js'\n",
  'packages/tensor/src/a.ts': "import { b } from './b.js'\nexport const a = (): number => b()\n",
  'packages/tensor/src/b.ts': "import { a } from './a.js'\nexport const b = (): number => a()\n",
  'packages/tensor/src/files.ts':
    "import { readFileSync } from 'node:fs'\nimport './node/open.js'\nimport '../../core/src/index.js'\nconsole.log(readFileSync, process.pid)\n",
  'packages/tensor/src/node/open.ts': "import { open } from 'node:fs'\nimport 'left-pad'\nconsole.log(open, process.pid)\n",
})
mkdirSync(join(folder, 'node_modules/@tesserae'), { recursive: true })
for (const name of ['core', 'tensor']) symlinkSync(join(folder, 'packages', name), join(folder, 'node_modules/@tesserae', name))
symlinkSync(join(root, 'node_modules/typescript'), join(folder, 'node_modules/typescript'))
copyFileSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json')) // its patterns are relative to where it lies

describe('check:layers', () => {
  it('names each import that breaks the rule', async () => {
    const output = await run('depcruise', ['--config', join(root, 'tools/checks/layers.cjs'), '.'])
    for (const line of [
      'core-imports-no-package: packages/core/src/index.ts → packages/tensor/src/index.ts',
      'no-circular: packages/tensor/src/',
      'node-only-in-node-entry-points: packages/tensor/src/files.ts → fs',
      'no-static-way-into-node-code: packages/tensor/src/files.ts → packages/tensor/src/node/open.ts',
      'packages-by-name: packages/tensor/src/files.ts → packages/core/src/index.ts',
      'resolvable: packages/tensor/src/node/open.ts → left-pad',
    ]) {
      expect(output).toContain(line)
    }
    expect(output).not.toContain('packages/tensor/src/node/open.ts → fs')
  })
})

describe('check:lint', () => {
  it('refuses console and process in what runs everywhere, allows process under node', async () => {
    const output = await run('oxlint', ['-f', 'unix', 'packages'])
    expect(output).toMatch(/packages\/tensor\/src\/files\.ts:4:\d+: Unexpected console statement/)
    expect(output).toMatch(/packages\/tensor\/src\/files\.ts:4:\d+: .*'process'/)
    expect(output).toMatch(/packages\/tensor\/src\/node\/open\.ts:3:\d+: Unexpected console statement/)
    expect(output).not.toMatch(/packages\/tensor\/src\/node\/open\.ts:\d+:\d+: .*'process'/)
  })
})

describe('check:files', () => {
  const lines = (count: number): string => 'x\n'.repeat(count)
  it('refuses more than 500 lines, a core of 600, and names in other cases', () => {
    expect(findProblems([{ path: 'packages/tensor/src/a.ts', text: lines(500) }])).toEqual([])
    expect(findProblems([{ path: 'packages/tensor/src/a.ts', text: lines(501) }])).toEqual([expect.stringContaining('a.ts has 501 lines')])
    expect(findProblems([{ path: 'packages/tensor/src/aB.ts', text: '' }])).toEqual([expect.stringContaining('kebab-case')])
    const core = [1, 2].map((i) => ({ path: `packages/core/src/f${i}.ts`, text: lines(300) }))
    expect(findProblems(core)).toEqual([expect.stringContaining('core/src has 600 lines')])
    expect(findProblems([...core.slice(1), { path: 'packages/core/src/f1.test.ts', text: lines(300) }])).toEqual([])
  })
})
