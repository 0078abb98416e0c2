// Bar 6, the part of WebGPU: the device lost in the middle of generation and of training, out of memory, no adapter, a weight that takes more bindings than a kernel
// has (one beyond a single binding or buffer is split, and works). Measured is what the user sees. Memory runs out for real (SwiftShader has none for one gibibyte at a time),
// and the device is lost for real (the browser's GPU process is ended).
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import type { Outcome } from '../../../../tests/browser/page/failures.js'
import { openWebGpuPage, sharedData, type WebGpuPage } from '../../../../tests/browser/webgpu-page.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const leave = fileURLToPath(new URL('../../../../packages/tensor/src/device/webgpu/testing/leave.ts', import.meta.url))
const exhaust = fileURLToPath(new URL('../../../../packages/tensor/src/device/webgpu/testing/exhaust.ts', import.meta.url))
const longest = 120_000

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  const add = (...found: readonly Row[]): void => {
    for (const each of found) log(`${each.met ? 'met' : 'NOT MET'}  ${each.figure}`)
    rows.push(...found)
  }
  const executable = findChromium()
  if (executable === undefined) add(unavailable('failures of WebGPU in Chromium', 'all', noChromium))
  else {
    await using opened = await openWebGpuPage(executable)
    add(...(await memoryRows(opened)), ...(await lossRows(opened)))
    await using without = await openWebGpuPage(executable, ['--disable-gpu', '--disable-features=WebGPUService'])
    add(
      await rowFor('no adapter in the browser', 'DEVICE', async () => ({
        seen: (await without.run('page', 'choice', {})).webgpu,
        left: '',
      })),
    )
  }
  add(
    await rowFor('out of memory in Node, on the driver that comes with Chromium', 'OUT_OF_MEMORY', () => exhaustedInNode(executable)),
    await rowFor('Node without the package webgpu', 'DEVICE', withoutPackage),
    await rowFor('Node without a driver', 'DEVICE', withoutDriver),
  )
  return rows
}
export default source

interface Shown {
  readonly seen: Outcome
  /** What is wrong afterwards: memory that is still held, a device that does not compute; empty for nothing. */
  readonly left: string
}

/** A row whose measured column is what the user sees. */
async function rowFor(figure: string, code: string, show: () => Promise<Shown>): Promise<Row> {
  const target = `${code}, with what to do; nothing hangs, nothing is left`
  try {
    const { seen, left } = await within(show())
    return row(figure, target, `${seen.code}: ${seen.message}`, seen.code === code && left === '', left === '' ? undefined : left)
  } catch (error) {
    return unavailable(figure, target, error)
  }
}

/** Nothing may hang: what takes longer is an error. */
async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not end within ${longest / 1000} s`)), longest)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const leftOver = (found: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, unknown>>): string =>
  Object.entries(expected)
    .filter(([name, value]) => JSON.stringify(found[name]) !== JSON.stringify(value))
    .map(([name, value]) => `${name} is ${JSON.stringify(found[name])}, expected ${JSON.stringify(value)}`)
    .join('; ')

async function memoryRows(page: WebGpuPage): Promise<Row[]> {
  const found = await within(page.run('page', 'exhausted', {}))
  const left = leftOver(found, { live: 0, afterwards: 0, donated: [5], computes: true })
  const shown = (title: string, seen: Outcome): Promise<Row> => rowFor(title, 'OUT_OF_MEMORY', async () => ({ seen, left }))
  return [
    await shown('out of memory in a computation', found.realized),
    await shown('out of memory in a jitted step with donated memory, which is as it was', found.jitted),
    await shown('out of memory for a tensor, told when it is read', found.allocated),
    await shown('a tensor of more bindings than a kernel has', found.tooLarge),
    await shown('an operation whose tensors take more', found.betweenOperations),
    await rowFor('a model with one weight of more, refused before anything is allocated', 'OUT_OF_MEMORY', async () => {
      const { refused, peakBytes } = await page.run('page', 'largeWeight', {})
      return { seen: refused, left: leftOver({ peakBytes }, { peakBytes: 0 }) }
    }),
  ]
}

async function lossRows(page: WebGpuPage): Promise<Row[]> {
  const haveStories = existsSync(join(sharedData, 'stories260K.bin'))
  const model = haveStories ? 'stories260K' : 'a model made up'
  const generation = async (by: 'call' | 'browser'): Promise<Shown> => {
    const running = page.run('page', 'lostWhileGenerating', { by, ...(haveStories ? { folder: '/data' } : {}) })
    if (by === 'browser') {
      await new Promise((resolve) => setTimeout(resolve, 5000)) // in the middle of it
      await page.crashGpu()
    }
    const found = await running
    return { seen: found.failure, left: leftOver({ ...found }, { liveBytes: 0, liveBuffers: 0, isFresh: true, again: found.expected }) }
  }
  const again = 'and then loaded again, the same ids'
  return [
    await rowFor(`the device lost while ${model} generates, ${again}`, 'DEVICE_LOST', () => generation('call')),
    await rowFor(`the browser's GPU process ended while ${model} generates, ${again}`, 'DEVICE_LOST', () => generation('browser')),
    await rowFor('the device lost in the middle of training, with reads and a sync under way', 'DEVICE_LOST', async () => {
      const found = await page.run('page', 'lostWhileTraining', {})
      const codes = [...new Set(found.outcomes.map(({ code }) => code))]
      const left = leftOver({ ...found, codes }, { steps: 4, codes: ['DEVICE_LOST'], liveBytes: 0, liveBuffers: 0, computes: true })
      return { seen: found.outcomes.at(-1)!, left }
    }),
  ]
}

/** What a script says with these settings of the environment; by default what a program sees that opens the device. */
const opening = (env: Readonly<Record<string, string>>, script: readonly string[] = [leave, 'ends']): Promise<string> =>
  new Promise((resolve, reject) => {
    const args = ['--conditions=@tesserae/source', '--import', 'tsx', ...script]
    execFile(process.execPath, args, { env: { ...process.env, ...env } }, (error, stdout) =>
      error === null ? resolve(stdout.trim()) : reject(new Error(error.message)),
    )
  })

const split = (said: string): Outcome => {
  const at = said.indexOf(' ')
  return { code: said.slice(0, at), message: said.slice(at + 1) }
}

async function exhaustedInNode(chromium: string | undefined): Promise<Shown> {
  const driver = ['/usr/lib/chromium', dirname(chromium ?? '/nowhere/chromium')]
    .map((folder) => join(folder, 'vk_swiftshader_icd.json'))
    .find((path) => existsSync(path))
  if (driver === undefined) throw new Error("it needs SwiftShader's driver, which Debian's package chromium-common has")
  const said = await opening({ VK_ICD_FILENAMES: driver }, [exhaust])
  if (!said.startsWith('{')) throw new Error(said)
  const { realized, ...found } = JSON.parse(said) as { readonly realized: Outcome } & Readonly<Record<string, unknown>>
  return { seen: realized, left: leftOver(found, { live: 0, donated: [5], retried: [3], computes: 2 }) }
}

async function withoutPackage(): Promise<Shown> {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-no-webgpu-'))
  try {
    return { seen: split(await opening({ TESSERAE_WEBGPU_NODE: folder })), left: '' }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function withoutDriver(): Promise<Shown> {
  const seen = split(await opening({ VK_ICD_FILENAMES: join(tmpdir(), 'no-such-driver.json') }))
  if (/package webgpu is not installed/.test(seen.message)) throw new Error(`it needs the package webgpu to be seen: ${seen.message}`)
  return { seen, left: '' }
}
