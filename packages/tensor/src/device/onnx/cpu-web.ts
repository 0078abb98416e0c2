/** Ways to compute on the CPU outside Node; the other half of the package import `#cpu`. */
import { debugLog } from '../../debug/log.js'
import type { Device } from '../device.js'
import type { CpuOptions, CpuRoute } from '../cpu-route.js'
import { wasmThreads } from './binding/device.js'
import type { OrtModule } from './binding/module.js'
import { importOptional, openBindingDevice } from './binding/open.js'
import { tryDevice } from '../try.js'
import { WasmDevice } from './web/device.js'
import { OrtRuntime, type RuntimeFactory } from './web/runtime.js'
import { CONTROL_BYTES, Team } from './web/team.js'

const help = 'npm install onnxruntime-web'

export interface WebOptions extends CpuOptions {
  /** The end of the message about a dtype that is lacking. */
  readonly dtypeHelp?: string
  /** The files of the runtime behind onnxruntime-web's JavaScript, where they can be had by themselves. */
  readonly files?: (ort: OrtModule) => RuntimeFiles | undefined
}

export interface RuntimeFiles {
  readonly factory: () => Promise<RuntimeFactory>
  readonly wasm: () => Promise<Response | BufferSource>
}

/** Opens onnxruntime-web from whichever of its builds `load` imports: its runtime by itself where it can be had, which copies nothing, else through its JavaScript. */
export async function openWeb(load: () => Promise<unknown>, { threads: wanted, dtypeHelp, files }: WebOptions): Promise<Device> {
  const ort = await importOptional('onnxruntime-web', load, help)
  const version = ort.env.versions?.['web']
  const label = version === undefined ? 'onnxruntime-web' : `onnxruntime-web ${version}`
  const more = dtypeHelp === undefined ? {} : { dtypeHelp }
  const binding = (notes: readonly string[] = []): Promise<Device> =>
    openBindingDevice(ort, { target: 'web', label, notes, ...(wanted === undefined ? {} : { threads: wanted }), ...more }, help)
  const copying = (why: string): Promise<Device> => {
    const note = `driven through its JavaScript, which copies what goes in and out: ${why}`
    debugLog(1, () => `${label} is ${note}`)
    return binding([note])
  }
  if (files === undefined) return binding()
  const runtimeFiles = files(ort)
  if (runtimeFiles === undefined)
    return copying('its files have no addresses of their own here; name them in ort.env.wasm.wasmPaths as { mjs, wasm }')
  const threads = wasmThreads(wanted)
  try {
    const runtime = await OrtRuntime.open(await runtimeFiles.factory(), runtimeFiles.wasm, threads)
    const team = await Team.open(runtime.memory, runtime.alloc(CONTROL_BYTES), threads)
    const device = new WasmDevice({ runtime, team, threads, label, wholeModels: () => binding(), ...more })
    await tryDevice(device)
    return device
  } catch (error) {
    return copying(`its runtime by itself does not work here (${error instanceof Error ? error.message : String(error)})`)
  }
}

/**
 * Threads of WebAssembly are workers that load the module their code stands in. Bundlers put that module into a chunk that may import
 * the application's own chunk, so that every thread would run the application and none would start. The runtime's code is
 * therefore named as a file of its own, in the form that bundlers recognise and copy.
 */
function separateFiles(ort: OrtModule): RuntimeFiles | undefined {
  const mjs = new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href
  const wasm = new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href
  // Without a bundler the names stay as they are, and the package finds its own files beside itself.
  const bundled = !mjs.endsWith('/onnxruntime-web/ort-wasm-simd-threaded.mjs')
  if (bundled && ort.env.wasm !== undefined) ort.env.wasm.wasmPaths ??= { mjs, wasm }
  // Or where the application says that they are.
  const paths = ort.env.wasm?.wasmPaths as { readonly mjs?: string | URL; readonly wasm?: string | URL } | string | undefined
  if (typeof paths !== 'object' || paths.mjs === undefined || paths.wasm === undefined) return undefined
  const absolute = (path: string | URL): string => new URL(path, globalThis.location?.href).href
  const [script, binary] = [paths.mjs, paths.wasm]
  return {
    factory: async () =>
      ((await import(/* @vite-ignore */ /* webpackIgnore: true */ absolute(script))) as { default: RuntimeFactory }).default,
    wasm: () => fetch(absolute(binary)),
  }
}

export const cpuRoutes: readonly CpuRoute[] = [
  {
    name: 'web',
    title: 'onnxruntime-web (WebAssembly)',
    // The build without WebGPU and WebNN: half of the download (14 instead of 28 MB of WebAssembly).
    open: (options) => openWeb(() => import('onnxruntime-web/wasm'), { ...options, files: separateFiles }),
  },
]
