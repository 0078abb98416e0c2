/** Memory that runs out in Node, for real: SwiftShader's driver, which comes with Chromium, has none for one gibibyte at a time. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { noWebGpu } from '../../../testing/webgpu.js'

const script = fileURLToPath(new URL('../testing/exhaust.ts', import.meta.url))
const folders = [dirname(process.env['CHROMIUM_PATH'] ?? '/nowhere/chromium'), '/usr/lib/chromium', '/opt/google/chrome']
const driver = folders.map((folder) => join(folder, 'vk_swiftshader_icd.json')).find((path) => existsSync(path))

const run = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const args = ['--conditions=@tesserae/source', '--import', 'tsx', script]
    const env = { ...process.env, VK_ICD_FILENAMES: driver!, XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? '/tmp' }
    execFile(process.execPath, args, { env, timeout: 60_000 }, (error, stdout) => (error === null ? resolve(stdout) : reject(error)))
  })

it('says what memory was asked for and is in use, asks once more after giving back what it kept, and computes on', async ({ skip }) => {
  const missing = await noWebGpu()
  skip(missing !== undefined, missing)
  skip(driver === undefined, "needs SwiftShader's driver, which Debian's package chromium-common has")
  const none = (live: number) => ({
    code: 'OUT_OF_MEMORY',
    message: expect.stringMatching(
      new RegExp(`^WebGPU, SwiftShader.* has no memory for ${2 ** 30} bytes \\(a tensor\\); ${live} bytes are in \\d tensors?\\. Dispose`),
    ) as unknown,
  })
  expect(JSON.parse(await run())).toEqual({
    realized: none(4),
    jitted: none(12), // with the argument and the other result
    donated: [5], // what the call would have written over is as it was
    allocated: none(4),
    live: 0,
    retried: [3],
    asked: 3, // once in vain, once more, and what the values are read through
    computes: 2,
  })
}, 60_000)
