/** What `npx @tesserae/tensor doctor` prints: the platform, the packages found, and each way to compute on the CPU tried for real. */
import { availableParallelism } from 'node:os'
import type { CpuRoute } from '../device/cpu-route.js'
import { cpuRoutes } from '../device/onnx/node/cpu.js'
import { currentPlatform, libraryPlan, packageVersion, type Platform } from '../device/onnx/node/library.js'
import type { Device } from '../device/device.js'
import { buildProgram } from '../compile/build-program.js'
import { makeNode } from '../graph/build.js'

export interface DoctorReport {
  readonly text: string
  /** Some way to compute on the CPU works. */
  readonly works: boolean
}

const packages = ['onnxruntime-node', 'koffi', 'onnxruntime-web'] as const

/** Tries everything. Never throws: what fails is part of the report. */
export async function doctor(routes: readonly CpuRoute[] = cpuRoutes, platform: Platform = currentPlatform()): Promise<DoctorReport> {
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
    try {
      const device = await route.open({})
      try {
        const { result, ms } = await multiply(device)
        if (result !== expected) throw new Error(`it computed ${result} where ${expected} was expected`)
        lines.push(
          `works   ${route.title}`,
          `        ${device.description}; matmul ${size}x${size} in ${ms.toFixed(2)} ms (${((2 * size ** 3) / ms / 1e6).toFixed(1)} GFLOP/s)`,
        )
        if (!works) lines.push("        this is what device 'cpu' uses")
        works = true
      } finally {
        await device.dispose()
      }
    } catch (error) {
      const [reason, help] = split(error instanceof Error ? error.message : String(error))
      lines.push(`missing ${route.title}`, `        ${reason}`)
      if (help !== undefined) lines.push(`        run: ${help}`)
    }
  }
  if (!works)
    lines.push(
      '',
      "No fast way to compute on the CPU works here: device 'cpu' would fall back to the reference interpreter, for small tensors only.",
    )
  return { text: `${lines.join('\n')}\n`, works }
}

const size = 256
const expected = size * 2

/** Milliseconds of the fastest of a few products of two matrices of ones and twos, and an element of the result. */
async function multiply(device: Device): Promise<{ result: number; ms: number }> {
  const type = { shape: [size, size], dtype: 'f32' } as const
  const input = () => ({ node: makeNode('input', [], {}, [type]), index: 0 })
  const product = { node: makeNode('matmul', [input(), input()], {}, [type]), index: 0 }
  const program = buildProgram([product], { keepsDuplicates: false })
  const executable = await device.compile(program)
  const bytes = size * size * 4
  const buffers = [1, 2, 0].map((value) => {
    const buffer = device.alloc(bytes)
    device.write(buffer, new Uint8Array(new Float32Array(size * size).fill(value).buffer))
    return buffer
  })
  let ms = Infinity
  for (let i = 0; i < 8; i++) {
    const start = performance.now()
    await device.run(executable, buffers.slice(0, 2), buffers.slice(2), new Map())
    ms = Math.min(ms, performance.now() - start)
  }
  const result = new Float32Array((await device.read(buffers[2]!)).buffer)[size * size - 1]!
  executable.dispose()
  for (const buffer of buffers) device.free(buffer)
  return { result, ms }
}

/** A message and the command at its end. */
function split(message: string): [string, string?] {
  const at = message.lastIndexOf('Run: ')
  return at < 0 ? [message] : [message.slice(0, at).trim(), message.slice(at + 5)]
}
