import { describe, expect, it } from 'vitest'
import { TensorError } from '../errors.js'
import { referenceDevice } from '../device/reference/device.js'
import { doctor } from './doctor.js'

describe('doctor', () => {
  it('tries every way here and says which one is used', async () => {
    const { text, works } = await doctor()
    expect(works).toBe(true)
    expect(text).toMatch(/platform +\S+ \S+/)
    expect(text).toMatch(/koffi +\d+\.\d+/)
    expect(text.match(/this is what device 'cpu' uses/g)).toHaveLength(1)
    expect(text).toMatch(/works +ONNX Runtime's C API[^\n]*\n +onnxruntime 1\.[^\n]*matmul 256x256 in [\d.]+ ms/)
    expect(text).toMatch(/works +onnxruntime-web/)
    expect(text).toMatch(
      /(works +CUDA [^\n]*\n +\S.* compute capability|missing CUDA [^\n]*\n +device 'cuda'|missing CUDA [^\n]*\n +the driver)/,
    )
  })
  it('shows what is missing with the command that helps, and fails when nothing works', async () => {
    const missing = {
      name: 'c-api',
      title: 'the C API',
      open: () => Promise.reject(new TensorError('DEVICE', 'the package koffi is not installed. Run: npm install koffi')),
    } as const
    const none = await doctor([missing], { os: 'linux', arch: 'x64', libc: 'musl' })
    expect(none.works).toBe(false)
    expect(none.text).toMatch(/musl/)
    expect(none.text).toMatch(/missing the C API\n +the package koffi is not installed\.\n +run: npm install koffi/)
    // CUDA is told of, and changes nothing about the CPU.
    const beside = await doctor([missing], undefined, () => Promise.resolve(referenceDevice()))
    expect(beside.text).toMatch(/works +CUDA \(koffi \+ NVIDIA's driver\), device 'cuda'\n +\S.*matmul 256x256/)
    expect(beside.works).toBe(false)
    const wrong = await doctor([
      {
        name: 'web',
        title: 'a way',
        open: () => Promise.resolve({ ...referenceDevice(), compile: () => Promise.reject(new Error('cannot compile')) } as never),
      },
    ])
    expect(wrong.works).toBe(false)
  })
})
