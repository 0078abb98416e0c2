import { describe, expect, it } from 'vitest'
import { TensorError } from '../errors.js'
import type { CpuRoute } from './cpu-route.js'
import { openCudaDevice as openInBrowser } from './cuda/browser.js'
import type { Device, DeviceName } from './device.js'
import { importPackage } from './import-package.js'
import { referenceDevice } from './reference/device.js'
import { fallbackLimitBytes, openCpu, resolveDevice } from './registry.js'

const failing = (name: CpuRoute['name'], message: string): CpuRoute => ({
  name,
  title: name,
  open: () => Promise.reject(new TensorError('DEVICE', message)),
})
const working = (device: Device): CpuRoute => ({ name: 'web', title: 'web', open: () => Promise.resolve(device) })

describe('resolveDevice', () => {
  it('returns objects as they are and one device per name', async () => {
    const own = referenceDevice()
    expect(await resolveDevice(own)).toBe(own)
    const [a, b] = await Promise.all([resolveDevice('cpu'), resolveDevice()])
    expect(a).toBe(b)
    expect(a.name).toBe('cpu')
    await a.dispose()
    const c = await resolveDevice('cpu')
    expect(c).not.toBe(a)
    await c.dispose()
    expect((await resolveDevice('null')).name).toBe('null')
    expect((await resolveDevice('reference')).name).toBe('reference')
  })
  it('takes the C API first in Node', async () => {
    const device = await resolveDevice('cpu', { threads: 1 })
    expect(device.description).toMatch(/^onnxruntime 1\.\d+\.\d+ \(C API\), 1 thread$/)
    expect(device.caps.threads).toBe(1)
    await device.dispose()
  })
  it('says how to get a package that a device needs', async () => {
    const name = 'webgpu-that-nobody-wrote'
    await expect(importPackage(name, () => import(/* @vite-ignore */ name), `npm install ${name}`)).rejects.toMatchObject({
      code: 'DEVICE',
    })
    const missing = Object.assign(new Error("Cannot find package 'webgpu' imported from here"), { code: 'ERR_MODULE_NOT_FOUND' })
    await expect(importPackage('webgpu', () => Promise.reject(missing), 'npm install webgpu')).rejects.toThrow(
      'the package webgpu is not installed. Run: npm install webgpu',
    )
    await expect(importPackage('webgpu', () => Promise.reject(new Error('no GLIBC\nat x')), 'npm install webgpu')).rejects.toThrow(
      'webgpu could not be loaded: no GLIBC. Run: npm install webgpu',
    )
  })
  it('says what is not there and what is not a device', async () => {
    await expect(resolveDevice('cuda', { driver: '/nowhere/libcuda.so.1' })).rejects.toThrow(
      /device 'cuda' found no driver: looked for \/nowhere\/libcuda.so.1 .*use device 'webgpu' or 'cpu'/,
    )
    await expect(openInBrowser()).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringMatching(/which browsers do not give/) as string,
    })
    await expect(resolveDevice('tpu' as DeviceName)).rejects.toThrow(/no device is called 'tpu'; expected 'auto', 'cpu', 'webgpu', 'cuda'/)
    await expect(resolveDevice('cpu', { threads: 0 })).rejects.toThrow(/threads must be an integer/)
  })
})

describe('openCpu', () => {
  it('warns when a slower way had to do', async () => {
    const warnings: string[] = []
    const device = referenceDevice()
    const opened = await openCpu([failing('c-api', 'the package koffi is not installed. Run: npm install koffi'), working(device)], {
      onWarning: (text) => warnings.push(text),
    })
    expect(opened).toBe(device)
    expect(warnings).toEqual([
      expect.stringMatching(/faster way was not available.\n- c-api: the package koffi is not installed. Run: npm install koffi/),
    ])
  })
  it('falls back to the reference interpreter with every attempt in the warning and in the size error', async () => {
    const warnings: string[] = []
    const routes = [
      failing('c-api', 'no koffi. Run: npm install koffi'),
      failing('binding', 'no binary. Run: one'),
      failing('web', 'no web. Run: two'),
    ]
    const device = await openCpu(routes, { onWarning: (text) => warnings.push(text) })
    expect(device.name).toBe('reference')
    expect(warnings).toHaveLength(1)
    for (const part of ['- c-api: no koffi. Run: npm install koffi', '- binding: no binary. Run: one', '- web: no web. Run: two', '16 MiB'])
      expect(warnings[0]).toContain(part)
    device.free(device.alloc(1024))
    expect(() => device.alloc(fallbackLimitBytes + 1)).toThrow(/npm install koffi/)
  })
})
