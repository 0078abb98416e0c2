/** What `npx @tesserae/tensor doctor` prints: the platform, the packages found, each way to compute tried for real, and which one `'auto'` stands for. */
import { availableParallelism } from 'node:os'
import type { CpuRoute } from '../device/cpu-route.js'
import { cpuRoutes } from '../device/onnx/node/cpu.js'
import { currentPlatform, libraryPlan, packageVersion, type Platform } from '../device/onnx/node/library.js'
import type { Device } from '../device/device.js'
import { openCudaDevice } from '../device/cuda/node/open.js'
import { explainDevice } from '../device/registry.js'
import { findWebGpu } from '../device/webgpu/find.js'
import { tryDevice } from '../device/try.js'
import type { AdapterReport } from '../device/webgpu/adapter.js'
import type { FoundAdapter } from '../device/webgpu/open.js'
import '../ops/table.js'

export interface DoctorReport {
  readonly text: string
  /** Some way to compute on the CPU works. */
  readonly works: boolean
}

export interface DoctorOptions {
  readonly routes?: readonly CpuRoute[]
  readonly platform?: Platform
  readonly webgpu?: () => Promise<FoundAdapter>
  readonly cuda?: () => Promise<Device>
  readonly explain?: typeof explainDevice
}

const packages = ['onnxruntime-node', 'koffi', 'onnxruntime-web', 'webgpu'] as const

/** Tries everything. Never throws: what fails is part of the report. */
export async function doctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  const { routes = cpuRoutes, platform = currentPlatform(), webgpu = findWebGpu, cuda = openCudaDevice, explain = explainDevice } = options
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
    const found = await attempt(route.title, () => route.open({}))
    lines.push(...found.lines)
    if (found.works && !works) lines.push("        this is what device 'cpu' uses")
    works ||= found.works
  }
  let adapter: AdapterReport | undefined
  const gpu = await attempt('WebGPU', async () => {
    const found = await webgpu()
    adapter = found.report
    return found.open()
  })
  lines.push(...gpu.lines, ...(adapter === undefined ? [] : adapterLines(adapter)))
  lines.push(...(await attempt("CUDA (koffi + NVIDIA's driver), device 'cuda'", cuda)).lines)
  if (!works)
    lines.push(
      '',
      "No fast way to compute on the CPU works here: device 'cpu' would fall back to the reference interpreter, for small tensors only.",
    )
  else lines.push('', ...(await choiceLines(explain)))
  return { text: `${lines.join('\n')}\n`, works }
}

const size = 256

/** One way to compute, tried. */
async function attempt(title: string, open: () => Promise<Device>): Promise<{ works: boolean; lines: string[] }> {
  try {
    const device = await open()
    try {
      const ms = await tryDevice(device, { size, runs: 8 })
      const speed = `matmul ${size}x${size} in ${ms.toFixed(2)} ms (${((2 * size ** 3) / ms / 1e6).toFixed(1)} GFLOP/s)`
      const notes = device.notes?.().map((note) => `        ${note}`) ?? []
      return { works: true, lines: [`works   ${title}`, `        ${device.description}; ${speed}`, ...notes] }
    } finally {
      await device.dispose()
    }
  } catch (error) {
    const [reason, help] = split(error instanceof Error ? error.message : String(error))
    return { works: false, lines: [`missing ${title}`, `        ${reason}`, ...(help === undefined ? [] : [`        run: ${help}`])] }
  }
}

function adapterLines({ names, software, limits, features }: AdapterReport): string[] {
  const mib = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`
  return [
    `        adapter: ${names.join(', ')}; ${software ? 'software, which computes on the processor' : 'hardware'}`,
    `        limits: ${mib(Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize))} in one tensor, ${limits.maxStorageBuffersPerShaderStage} tensors in one kernel, ${limits.maxComputeInvocationsPerWorkgroup} threads and ${limits.maxComputeWorkgroupStorageSize / 1024} KiB in one workgroup`,
    `        features: ${features.length === 0 ? 'none of those that kernels use' : features.join(', ')}`,
  ]
}

async function choiceLines(explain: typeof explainDevice): Promise<string[]> {
  try {
    const { device, passed } = await explain()
    return [
      `device 'auto' is '${device.name}' here: ${device.description}`,
      ...passed.map(({ route, reason }) => `        not '${route}': ${reason}`),
    ]
  } catch (error) {
    return [`device 'auto' finds nothing: ${error instanceof Error ? error.message : String(error)}`]
  }
}

/** A message and the command at its end. */
function split(message: string): [string, string?] {
  const at = message.lastIndexOf('Run: ')
  return at < 0 ? [message] : [message.slice(0, at).trim(), message.slice(at + 5)]
}
