import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { WasmDevice } from '../device.js'
import { OrtRuntime, type RuntimeFactory } from '../runtime.js'
import { CONTROL_BYTES, Team } from '../team.js'

/** The device of pages, in Node, on one thread. */
export async function openWasmDevice(): Promise<WasmDevice> {
  const { resolve } = createRequire(import.meta.url)
  const { default: factory } = (await import(pathToFileURL(resolve('onnxruntime-web/ort-wasm-simd-threaded.mjs')).href)) as {
    default: RuntimeFactory
  }
  const wasm = async (): Promise<BufferSource> =>
    (await readFile(resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'))) as Uint8Array<ArrayBuffer>
  const runtime = await OrtRuntime.open(factory, wasm, 1)
  const team = await Team.open(runtime.memory, runtime.alloc(CONTROL_BYTES), 1)
  const wholeModels = () => Promise.reject(new Error('no models as they are'))
  return new WasmDevice({ runtime, team, threads: 1, label: 'onnxruntime-web', wholeModels })
}
