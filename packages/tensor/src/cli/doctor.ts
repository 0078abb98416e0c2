/** What `npx @tesserae/tensor doctor` prints: the platform, the packages found, and each way to compute on the CPU, and CUDA, tried for real. */
import { availableParallelism } from 'node:os'
import type { CpuRoute } from '../device/cpu-route.js'
import { cpuRoutes } from '../device/onnx/node/cpu.js'
import { currentPlatform, libraryPlan, packageVersion, type Platform } from '../device/onnx/node/library.js'
import type { Device } from '../device/device.js'
import { openCudaDevice } from '../device/cuda/node/open.js'
import { tensor } from '../create.js'
import type { Tensor } from '../tensor.js'
import { jit } from '../transform/jit.js'

export interface DoctorReport {
  readonly text: string
  /** Some way to compute on the CPU works. */
  readonly works: boolean
}

const packages = ['onnxruntime-node', 'koffi', 'onnxruntime-web'] as const

/** Tries everything. Never throws: what fails is part of the report. */
export async function doctor(
  routes: readonly CpuRoute[] = cpuRoutes,
  platform: Platform = currentPlatform(),
  openCuda: () => Promise<Device> = openCudaDevice,
): Promise<DoctorReport> {
  const lines = [
    `platform          ${platform.os} ${platform.arch}${platform.libc === 'none' ? '' : `, ${platform.libc}`}`,
    `node              ${process.version}`,
    `processors        ${availableParallelism()}`,
    ...packages.map((name) => `${name.padEnd(17)} ${packageVersion(name) ?? 'not installed'}`),
    '',
  ]
  const plan = libraryPlan(platform)
  if (!plan.found) lines.push(`note: ${plan.reason}`, `      ${plan.help}`, '')
  let works = false
  for (const route of routes) {
    const tried = await attempt(route.title, () => route.open({}))
    lines.push(...tried.lines)
    if (tried.works && !works) lines.push("        this is what device 'cpu' uses")
    works ||= tried.works
  }
  if (!works)
    lines.push(
      '',
      "No fast way to compute on the CPU works here: device 'cpu' would fall back to the reference interpreter, for small tensors only.",
    )
  lines.push('', ...(await attempt("CUDA (koffi + NVIDIA's driver), device 'cuda'", openCuda)).lines)
  return { text: `${lines.join('\n')}\n`, works }
}

/** Opens a device and multiplies on it. */
async function attempt(
  title: string,
  open: () => Promise<Device>,
): Promise<{ readonly works: boolean; readonly lines: readonly string[] }> {
  try {
    const device = await open()
    try {
      const { result, ms } = await multiply(device)
      if (result !== expected) throw new Error(`it computed ${result} where ${expected} was expected`)
      const speed = `matmul ${size}x${size} in ${ms.toFixed(2)} ms (${((2 * size ** 3) / ms / 1e6).toFixed(1)} GFLOP/s)`
      return { works: true, lines: [`works   ${title}`, `        ${device.description}; ${speed}`] }
    } finally {
      await device.dispose()
    }
  } catch (error) {
    const [reason, help] = split(error instanceof Error ? error.message : String(error))
    return { works: false, lines: [`missing ${title}`, `        ${reason}`, ...(help === undefined ? [] : [`        run: ${help}`])] }
  }
}

const size = 256
const expected = size * 2

/** Milliseconds of the fastest of a few products of two matrices of ones and twos, and an element of the result. */
async function multiply(device: Device): Promise<{ result: number; ms: number }> {
  const filled = (value: number) => tensor(new Float32Array(size * size).fill(value), { shape: [size, size] }).to(device)
  using a = await filled(1)
  using b = await filled(2)
  const product = jit((x: Tensor, y: Tensor) => x.matmul(y), { device })
  let ms = Infinity
  let result = NaN
  for (let i = 0; i < 8; i++) {
    const start = performance.now()
    using c = await product(a, b)
    await device.sync()
    if (i > 0) ms = Math.min(ms, performance.now() - start) // the first is compiled
    if (i === 7) result = Number((await c.data())[size * size - 1])
  }
  product.dispose()
  return { result, ms }
}

/** A message and the command at its end. */
function split(message: string): [string, string?] {
  const at = message.lastIndexOf('Run: ')
  return at < 0 ? [message] : [message.slice(0, at).trim(), message.slice(at + 5)]
}
