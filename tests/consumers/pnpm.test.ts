import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectInstalled, makeProject, removeTarballs, root, runtimes, tarballDependencies, type Project } from './project.js'

const data = join(root, '../shared/data')
let project: Project

// pnpm keeps packages apart: each sees only what its manifest declares, so an undeclared or wrongly declared dependency shows here.
beforeAll(async () => {
  const ours = tarballDependencies()
  project = makeProject('pnpm', { dependencies: { ...ours, ...runtimes }, pnpm: { overrides: ours } })
  expectInstalled(await project.run('npx', '-y', 'pnpm@9', 'install', '--ignore-scripts', '--prefer-offline', '--reporter=append-only'))
})

afterAll(() => {
  project?.remove()
  removeTarballs()
})

describe('a project made with pnpm', () => {
  it('computes on ONNX Runtime, which the package finds as a peer', async () => {
    project.write(
      'main.mjs',
      `import { defaultDevice, tensor } from '@tesserae/tensor'
const x = tensor([[1, 2], [3, 4]])
console.log(JSON.stringify([(await defaultDevice()).description, Array.from(await x.matmul(x).data())]))
x.dispose()
`,
    )
    const [device, product] = JSON.parse(await project.node('main.mjs')) as [string, number[]]
    expect(product).toEqual([7, 10, 15, 22])
    expect(device).toContain('C API')
  })

  it('generates with a trained model', async ({ skip }) => {
    if (!existsSync(join(data, 'stories260K.bin'))) skip('stories260K.bin is not in ../shared/data, which is not part of the repository')
    copyFileSync(join(root, 'tests/consumers/generate.mjs'), join(project.folder, 'generate.mjs'))
    const result = JSON.parse(await project.node('generate.mjs', data)) as { same: boolean; text: string }
    expect(result.same, result.text).toBe(true)
  })
})
