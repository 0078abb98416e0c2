import { TensorError } from '../../../errors.js'
import type { Device } from '../../device.js'
import { emitModel, supportsNatively } from '../emit/emit.js'
import { importPackage } from '../../import-package.js'
import { encodeMessage } from '../proto/codec.js'
import { bindingDevice, type BindingDeviceOptions } from './device.js'
import type { OrtModule } from './module.js'

/** The smallest model: y = x. */
function tinyModel(): Uint8Array {
  const info = (name: string): object => ({ name, type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 1 }] } } } })
  return encodeMessage('ModelProto', {
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: { name: 'check', node: [{ opType: 'Identity', input: ['x'], output: ['y'] }], input: [info('x')], output: [info('y')] },
  })
}

/** Makes the device of an `ort` module and runs a model of one number on it, so that a broken installation shows now. */
export async function openBindingDevice(ort: OrtModule, options: BindingDeviceOptions, help: string): Promise<Device> {
  const device = bindingDevice(ort, { emitModel, supportsNatively }, options)
  try {
    const session = await ort.InferenceSession.create(tinyModel(), {
      executionProviders: [options.target === 'web' ? 'wasm' : 'cpu'],
      logSeverityLevel: 4,
    })
    const { y } = await session.run({ x: new ort.Tensor('float32' as never, Float32Array.of(1) as never, [1]) })
    await session.release()
    if ((y?.data as Float32Array | undefined)?.[0] !== 1) throw new Error('it computed a wrong result')
    return device
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new TensorError('DEVICE', `${device.description} does not run here: ${message}. Run: ${help}`, { cause })
  }
}

/** Imports ONNX Runtime. @throws TensorError DEVICE with the command that installs it. */
export async function importOptional(name: string, load: () => Promise<unknown>, help: string): Promise<OrtModule> {
  const module = (await importPackage(name, load, help)) as { default?: unknown; InferenceSession?: unknown }
  return (module.InferenceSession === undefined ? module.default : module) as OrtModule
}
