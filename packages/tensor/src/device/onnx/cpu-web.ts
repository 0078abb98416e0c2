/** Ways to compute on the CPU outside Node; the other half of the package import `#cpu`. */
import type { Device } from '../device.js'
import type { CpuOptions, CpuRoute } from '../cpu-route.js'
import type { OrtModule } from './binding/module.js'
import { importOptional, openBindingDevice } from './binding/open.js'

const help = 'npm install onnxruntime-web'

/** Opens onnxruntime-web from whichever of its builds `load` imports. `dtypeHelp` ends the message about a dtype that it lacks. */
export async function openWeb(load: () => Promise<unknown>, { threads }: CpuOptions, dtypeHelp?: string): Promise<Device> {
  const ort = await importOptional('onnxruntime-web', load, help)
  const version = ort.env.versions?.['web']
  return openBindingDevice(
    ort,
    {
      target: 'web',
      label: version === undefined ? 'onnxruntime-web' : `onnxruntime-web ${version}`,
      ...(threads === undefined ? {} : { threads }),
      ...(dtypeHelp === undefined ? {} : { dtypeHelp }),
    },
    help,
  )
}

/**
 * Threads of WebAssembly are workers that load the module their code stands in. Bundlers put that module into a chunk that may import
 * the application's own chunk, so that every thread would run the application and none would start. The runtime's code is
 * therefore named as a file of its own, in the form that bundlers recognise and copy.
 */
function separateFiles(ort: OrtModule): OrtModule {
  const mjs = new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href
  const wasm = new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href
  // Without a bundler the names stay as they are, and the package finds its own files beside itself.
  const bundled = !mjs.endsWith('/onnxruntime-web/ort-wasm-simd-threaded.mjs')
  if (bundled && ort.env.wasm !== undefined) ort.env.wasm.wasmPaths ??= { mjs, wasm }
  return ort
}

export const cpuRoutes: readonly CpuRoute[] = [
  {
    name: 'web',
    title: 'onnxruntime-web (WebAssembly)',
    // The build without WebGPU and WebNN: half of the download (14 instead of 28 MB of WebAssembly).
    open: (options) => openWeb(async () => separateFiles(await import('onnxruntime-web/wasm')), options),
  },
]
