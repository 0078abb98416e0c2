import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { noWebGpu } from '../../../testing/webgpu.js'
import { findGpu as findInBrowser } from '../browser.js'
import { load } from './find.js'

const script = fileURLToPath(new URL('../testing/leave.ts', import.meta.url))

/** What the script said and how it ended. */
const leave = (way: string, env: Record<string, string> = {}): Promise<{ code: unknown; said: string; errors: string }> =>
  new Promise((resolve) => {
    const args = ['--expose-gc', '--conditions=@tesserae/source', '--import', 'tsx', script, way]
    execFile(process.execPath, args, { env: { ...process.env, ...env }, timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), said: stdout.trim(), errors: stderr }),
    )
  })

it('says what a browser without WebGPU lacks', async ({ skip }) => {
  skip((globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu !== undefined, 'WebGPU is here')
  await expect(findInBrowser()).rejects.toMatchObject({ code: 'DEVICE', message: expect.stringMatching(/https or localhost/) as unknown })
})

it('says which package is missing, and the command that installs it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-no-webgpu-'))
  try {
    await expect(load(folder)).rejects.toMatchObject({
      code: 'DEVICE',
      message: `the package webgpu is not installed. Run: npm install webgpu --prefix ${folder}`,
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('says that there is no driver', async ({ skip }) => {
  const missing = await load().then(
    () => undefined,
    (error: Error) => error.message,
  )
  skip(missing !== undefined, missing)
  skip(process.platform !== 'linux', 'VK_ICD_FILENAMES takes a driver away on Linux only')
  const { code, said } = await leave('ends', { VK_ICD_FILENAMES: '/nowhere/driver.json' })
  expect(code).toBe(0)
  expect(said).toMatch(/^DEVICE WebGPU found no adapter\. Install a Vulkan driver.*VK_ICD_FILENAMES.*or use device 'cpu'$/)
})

it.for([
  ['ends', 0],
  ['exits', 0],
  ['disposes', 0],
  ['collects', 0],
  ['frees', 0],
  ['throws', 1],
] as const)('leaves a process that %s in the middle of work without a crash', async ([way, expected], { skip }) => {
  const missing = await noWebGpu()
  skip(missing !== undefined, missing)
  const { code, said, errors } = await leave(way)
  expect({ code, said }).toEqual({ code: expected, said: way === 'throws' ? '' : 'left' })
  if (way === 'throws') expect(errors).toContain('thrown on purpose')
})
