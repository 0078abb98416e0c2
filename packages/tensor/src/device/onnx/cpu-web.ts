/** Ways to compute on the CPU outside Node; the other half of the package import `#cpu`. */
import type { Device } from '../device.js'
import type { CpuOptions, CpuRoute } from '../cpu-route.js'
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

export const cpuRoutes: readonly CpuRoute[] = [
  {
    name: 'web',
    title: 'onnxruntime-web (WebAssembly)',
    // The build without WebGPU and WebNN: half of the download (14 instead of 28 MB of WebAssembly).
    open: (options) => openWeb(() => import('onnxruntime-web/wasm'), options),
  },
]
