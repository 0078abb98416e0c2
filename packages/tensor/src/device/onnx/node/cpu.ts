/** Ways to compute on the CPU in Node, fastest first; one half of the package import `#cpu`. */
import type { CpuRoute } from '../../cpu-route.js'
import { importOptional, openBindingDevice } from '../binding/open.js'
import { cpuRoutes as webRoutes, openWeb } from '../cpu-web.js'
import { emitModel, supportsNatively } from '../emit/emit.js'
import { checkCommandLine } from './command-line.js'
import { openOnnxDevice } from './device.js'
import { checkThreads, defaultThreads } from './environment.js'
import { currentPlatform, installNative, libraryPlan, packageVersion } from './library.js'

/** The C API holds every storage dtype. */
const dtypeHelp = `Run: ${installNative}`

export const cpuRoutes: readonly CpuRoute[] = [
  {
    name: 'c-api',
    title: "ONNX Runtime's C API (koffi + onnxruntime-node)",
    open: (options) => openOnnxDevice({ emitModel, supportsNatively }, options),
  },
  {
    name: 'binding',
    title: 'the JavaScript binding of onnxruntime-node',
    async open({ threads }) {
      checkCommandLine()
      const plan = libraryPlan(currentPlatform())
      const help = plan.found ? installNative : plan.help
      const ort = await importOptional('onnxruntime-node', () => import('onnxruntime-node'), help)
      const label = `onnxruntime-node ${packageVersion('onnxruntime-node') ?? ''}`.trim()
      return openBindingDevice(ort, { target: 'node', threads: checkThreads(threads ?? defaultThreads()), label, dtypeHelp }, help)
    },
  },
  {
    ...webRoutes[0]!,
    // Only this entry of the package has a build for Node.
    open: ({ threads }) => openWeb(() => import('onnxruntime-web'), { threads: checkThreads(threads ?? defaultThreads()), dtypeHelp }),
  },
]
