import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { handmade } from '../testing/handmade.js'
import { openOnnxDevice, type Emitter } from './device.js'
import { checkThreads } from './environment.js'

const noEmitter: Emitter = {
  emitModel: () => {
    throw new Error('not used here')
  },
  supportsNatively: () => false,
}

describe('a process in which the JavaScript binding came first', () => {
  it('still runs programs, with threads of their own', async () => {
    // The binding makes ONNX Runtime's environment, without the thread pool that this package would have asked for.
    const ort = (await import('onnxruntime-node')) as unknown as typeof import('onnxruntime-node')
    const { program, model } = handmade({
      inputs: [{ name: 'x', shape: [2] }],
      outputs: [{ name: 'y', shape: [2] }],
      nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
    })
    const session = await ort.InferenceSession.create(model.bytes)
    const device = await openOnnxDevice(noEmitter)
    const other = await openOnnxDevice(noEmitter, { threads: 2 })
    for (const each of [device, other]) {
      const executable = await each.load(program, model)
      const x = each.alloc(8)
      each.write(x, new Uint8Array(Float32Array.of(1, 2).buffer))
      const y = each.alloc(8)
      await each.run(executable, [x], [y], new Map())
      expect(Array.from(new Float32Array((await each.read(y)).buffer))).toEqual([-1, -2])
      await each.dispose()
    }
    const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(3, 4), [2]) })
    expect(Array.from(y!.data as Float32Array)).toEqual([-3, -4])
    await session.release()
  })
})

describe('options', () => {
  it('checks the threads and refuses a second library', async () => {
    for (const bad of [0, -1, 1.5, 5000, NaN]) expect(() => checkThreads(bad)).toThrow(/threads must be an integer from 1/)
    const device = await openOnnxDevice(noEmitter)
    await expect(openOnnxDevice(noEmitter, { library: '/nowhere/libonnxruntime.so' })).rejects.toThrow(/already uses .*libonnxruntime/)
    await device.dispose()
  })
  it('says that a library is none', async () => {
    // In a process of its own, since one process has one library.
    const script = `
      import { openOnnxDevice } from ${JSON.stringify(new URL('./device.ts', import.meta.url).href)}
      openOnnxDevice({}, { library: process.env.LIBRARY }).then(() => console.log('opened'), (error) => console.log(error.code + ' ' + error.message))
    `
    const { execFile } = await import('node:child_process')
    const run = (library: string): Promise<string> =>
      new Promise((resolve, reject) => {
        execFile(
          process.execPath,
          ['--conditions=@tesserae/source', '--import', 'tsx', '--input-type=module', '-e', script],
          { env: { ...process.env, LIBRARY: library } },
          (error, stdout) => (error ? reject(error) : resolve(stdout)),
        )
      })
    expect(await run('/nowhere/libonnxruntime.so')).toMatch(/^DEVICE the library \/nowhere\/libonnxruntime\.so could not be loaded/)
    if (process.platform === 'linux') expect(await run('libm.so.6')).toMatch(/^DEVICE libm\.so\.6 is not ONNX Runtime/)
  })
})

describe('workers', () => {
  it('use the library beside the main thread', async () => {
    const device = await openOnnxDevice(noEmitter)
    const script = `
      import { parentPort } from 'node:worker_threads'
      import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
      register() // the worker reads TypeScript too
      const { openOnnxDevice } = await import(${JSON.stringify(new URL('./device.ts', import.meta.url).href)})
      const { handmade } = await import(${JSON.stringify(new URL('../testing/handmade.ts', import.meta.url).href)})
      const device = await openOnnxDevice({})
      const { program, model } = handmade({ inputs: [{ name: 'x', shape: [2] }], outputs: [{ name: 'y', shape: [2] }], nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }] })
      const executable = await device.load(program, model)
      const x = device.alloc(8), y = device.alloc(8)
      device.write(x, new Uint8Array(Float32Array.of(1, 2).buffer))
      for (let i = 0; i < 20; i++) await device.run(executable, [x], [y], new Map(), { async: i % 2 === 0 })
      parentPort.postMessage(Array.from(new Float32Array((await device.read(y)).buffer)))
      await device.dispose()
    `
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
      execArgv: ['--conditions=@tesserae/source'],
    })
    const result = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(result).toEqual([-1, -2])
    await new Promise((resolve) => worker.once('exit', resolve))
    await device.dispose()
  })
})
