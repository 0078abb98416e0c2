import { describe, expect, it } from 'vitest'
import { TensorError } from '../errors.js'
import { referenceDevice } from '../device/reference/device.js'
import { noWebGpu } from '../testing/webgpu.js'
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
    const none = await doctor({ routes: [missing], platform: { os: 'linux', arch: 'x64', libc: 'musl' } })
    expect(none.works).toBe(false)
    expect(none.text).toMatch(/musl/)
    expect(none.text).toMatch(/missing the C API\n +the package koffi is not installed\.\n +run: npm install koffi/)
    // CUDA is told of, and changes nothing about the CPU.
    const notes = (): string[] => ['large products of f16 and bf16: own kernels']
    const beside = await doctor({ routes: [missing], cuda: () => Promise.resolve(Object.assign(referenceDevice(), { notes })) })
    expect(beside.text).toMatch(
      /works +CUDA \(koffi \+ NVIDIA's driver\), device 'cuda'\n +\S.*matmul 256x256[^\n]*\n +large products of f16 and bf16: own kernels\n/,
    )
    expect(beside.works).toBe(false)
    const wrong = await doctor({
      routes: [
        {
          name: 'web',
          title: 'a way',
          open: () => Promise.resolve({ ...referenceDevice(), compile: () => Promise.reject(new Error('cannot compile')) } as never),
        },
      ],
    })
    expect(wrong.works).toBe(false)
  })
  it('says what WebGPU is here, and why a software adapter is not taken for it', async ({ skip }) => {
    const none = await noWebGpu()
    const { text } = await doctor()
    if (none !== undefined) expect(text).toMatch(/missing WebGPU\n +\S+/)
    expect(text).toMatch(/device 'auto' is '(cpu|webgpu|cuda)' here: /)
    skip(none !== undefined, none)
    expect(text).toMatch(/works +WebGPU\n +WebGPU, [^\n]*matmul/)
    expect(text).toMatch(
      /adapter: [^\n]*; (software, which computes on the processor|hardware)\n +limits: \d+ MiB in one tensor, \d+ tensors/,
    )
    if (text.includes('(software)')) expect(text).toMatch(/not 'webgpu': its adapter [^\n]* is software/)
  })
})
