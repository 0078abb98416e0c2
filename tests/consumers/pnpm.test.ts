import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  expectInstalled,
  expectStories,
  generate,
  makeProject,
  noStories,
  removeTarballs,
  runtimes,
  tarballDependencies,
  type Project,
} from './project.js'

let project: Project
const pnpm = ['npx', '-y', 'pnpm@10'] as const

// As pnpm installs by default, which is without install scripts. It keeps packages apart: each sees only what its manifest declares, so an undeclared or wrongly declared dependency shows here.
beforeAll(async () => {
  const ours = tarballDependencies()
  project = makeProject('pnpm', { dependencies: { ...ours, ...runtimes }, pnpm: { overrides: ours } })
  expectInstalled(await project.run(...pnpm, 'install', '--prefer-offline', '--reporter=append-only'))
}, 300_000)

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
    if (noStories !== undefined) skip(noStories)
    const result = await generate(project)
    expectStories(result)
    expect(result.device).toContain('C API')
    expect(result.warnings).toEqual([])
  })

  it('has a doctor', async () => {
    const { code, stdout } = await project.run(...pnpm, 'exec', 'tesserae-tensor', 'doctor')
    expect(stdout).toMatch(/works +ONNX Runtime's C API/)
    expect(code).toBe(0)
  })
})
