/** Ways to compute on the CPU outside Node; the other half of the package import `#cpu`. */
import type { CpuRoute } from '../cpu-route.js'
import { importOptional, openBindingDevice } from './binding/open.js'

export const cpuRoutes: readonly CpuRoute[] = [
  {
    name: 'web',
    title: 'onnxruntime-web (WebAssembly)',
    async open({ threads }) {
      const help = 'npm install onnxruntime-web'
      const ort = await importOptional('onnxruntime-web', () => import('onnxruntime-web'), help)
      const version = ort.env.versions?.['web']
      return openBindingDevice(
        ort,
        { target: 'web', ...(threads === undefined ? {} : { threads }), label: version === undefined ? 'onnxruntime-web' : `onnxruntime-web ${version}` },
        help,
      )
    },
  },
]
