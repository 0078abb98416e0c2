/** What machines that this is not would do: Windows' search for the driver, and an installation without koffi. */
import { createRequire } from 'node:module'
import koffi from 'koffi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadKoffi, type Koffi } from '../../onnx/node/ffi.js'
import { buildFake, canBuildFake, noCompiler, type Fake } from '../testing/fake.js'
import { findLibrary, installKoffi } from './library.js'

describe('without koffi', () => {
  it('says how to install it', async () => {
    const missing = (): Promise<never> =>
      Promise.reject(Object.assign(new Error("Cannot find package 'koffi' imported from /app/index.js"), { code: 'ERR_MODULE_NOT_FOUND' }))
    await expect(loadKoffi(installKoffi, missing)).rejects.toMatchObject({
      code: 'DEVICE',
      message: 'the package koffi is not installed. Run: npm install koffi',
    })
  })

  it('says why it does not load where its binary is broken', async () => {
    // koffi throws when it is evaluated on a platform that it has no binary for.
    const broken = async (): Promise<never> => createRequire(import.meta.url)('./no-such-binary.node') as never
    await expect(loadKoffi(installKoffi, broken)).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringMatching(/^koffi could not be loaded \(.*no-such-binary\.node.*\)\. Run: npm install koffi$/) as string,
    })
  })
})

describe("Windows' driver", () => {
  let fake: Fake | undefined
  beforeAll(() => {
    if (canBuildFake) fake = buildFake()
  })
  afterAll(() => fake?.[Symbol.dispose]())

  // First, since a library that was opened once is kept.
  it('is missed by its name, with what the loader said', () => {
    expect(() => findLibrary(koffi, undefined, 'win32')).toThrow(
      expect.objectContaining({
        code: 'DEVICE',
        message: expect.stringMatching(
          /^device 'cuda' found no driver: looked for nvcuda\.dll\. The loader said: .+\. Install NVIDIA's driver/,
        ) as string,
      }) as Error,
    )
  })

  it.skipIf(!canBuildFake)(`is opened by its name alone, by the system's search${canBuildFake ? '' : `: skipped, ${noCompiler}`}`, () => {
    const asked: unknown[] = []
    // A system whose search finds the driver's library under that name.
    const windows: Koffi = Object.assign(Object.create(koffi) as Koffi, {
      load: (path: string | null) => {
        asked.push(path)
        return koffi.load(path === 'nvcuda.dll' ? fake!.path : path)
      },
    })
    const { library, name } = findLibrary(windows, undefined, 'win32')
    expect(name).toBe('nvcuda.dll')
    expect(asked[0]).toBe('nvcuda.dll')
    expect(library.func('cuInit', 'int', ['uint32_t'])(0)).toBe(0)
  })
})
