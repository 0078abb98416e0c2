import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { currentPlatform, detectLibc, libraryPlan, locateLibrary, packageRoot, packageVersion, type Platform } from './library.js'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A package root with only the given file in it. */
function root(file?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-library-'))
  folders.push(folder)
  if (file !== undefined) {
    mkdirSync(join(folder, file, '..'), { recursive: true })
    writeFileSync(join(folder, file), '')
  }
  return folder
}

describe('libraryPlan', () => {
  const has: readonly [Platform, string, string][] = [
    [{ os: 'linux', arch: 'x64', libc: 'glibc' }, 'linux/x64', 'libonnxruntime.so.1'],
    [{ os: 'linux', arch: 'arm64', libc: 'glibc' }, 'linux/arm64', 'libonnxruntime.so.1'],
    [{ os: 'darwin', arch: 'arm64', libc: 'none' }, 'darwin/arm64', 'libonnxruntime.1.dylib'],
    [{ os: 'win32', arch: 'x64', libc: 'none' }, 'win32/x64', 'onnxruntime.dll'],
    [{ os: 'win32', arch: 'arm64', libc: 'none' }, 'win32/arm64', 'onnxruntime.dll'],
  ]
  it.each(has)('%o has %s/%s', (platform, folder, file) => {
    const plan = libraryPlan(platform)
    expect(plan).toMatchObject({ found: true, folder })
    expect(plan.found && plan.files[0]).toBe(file)
    const path = `bin/napi-v6/${folder}/${file}`
    const at = root(path)
    expect(locateLibrary(at, platform)).toBe(join(at, path))
  })

  const lacks: readonly [Platform, RegExp, RegExp][] = [
    [{ os: 'linux', arch: 'x64', libc: 'musl' }, /musl/, /npm install onnxruntime-web .*slim/],
    [{ os: 'linux', arch: 'arm64', libc: 'musl' }, /Linux arm64 with musl/, /npm install onnxruntime-web/],
    [{ os: 'darwin', arch: 'x64', libc: 'none' }, /Intel Mac/, /npm install onnxruntime-web/],
    [{ os: 'win32', arch: 'ia32', libc: 'none' }, /Windows ia32/, /npm install onnxruntime-web/],
    [{ os: 'linux', arch: 'riscv64', libc: 'glibc' }, /Linux riscv64/, /npm install onnxruntime-web/],
    [{ os: 'freebsd', arch: 'x64', libc: 'none' }, /freebsd x64/, /npm install onnxruntime-web/],
  ]
  it.each(lacks)('%o is refused by name', (platform, reason, help) => {
    const plan = libraryPlan(platform)
    expect(plan.found).toBe(false)
    if (plan.found) return
    expect(plan.reason).toMatch(reason)
    expect(plan.help).toMatch(help)
    expect(() => locateLibrary('/nowhere', platform)).toThrow(reason)
  })
})

describe('locateLibrary', () => {
  it('takes the newest binding generation and a versioned file name', () => {
    const at = root('bin/napi-v3/darwin/arm64/libonnxruntime.1.20.0.dylib')
    mkdirSync(join(at, 'bin/napi-v10/darwin/arm64'), { recursive: true })
    writeFileSync(join(at, 'bin/napi-v10/darwin/arm64/libonnxruntime.1.31.0.dylib'), '')
    expect(locateLibrary(at, { os: 'darwin', arch: 'arm64', libc: 'none' })).toBe(
      join(at, 'bin/napi-v10/darwin/arm64/libonnxruntime.1.31.0.dylib'),
    )
  })
  it('says which package is missing and how to get it', () => {
    const platform: Platform = { os: 'linux', arch: 'x64', libc: 'glibc' }
    expect(() => locateLibrary(undefined, platform)).toThrow(
      /onnxruntime-node is not installed.*npm install koffi onnxruntime-node --ignore-scripts/,
    )
    expect(() => locateLibrary(root(), platform)).toThrow(/lacks libonnxruntime\.so\.1 for linux\/x64/)
  })
})

describe('detection', () => {
  it('tells musl from glibc by the process report', () => {
    expect(detectLibc({ header: { glibcVersionRuntime: '2.36' } }, 'linux')).toBe('glibc')
    expect(detectLibc({ header: {} }, 'linux')).toBe('musl')
    expect(detectLibc({}, 'darwin')).toBe('none')
  })
  it('describes the running process', () => {
    const platform = currentPlatform()
    expect(platform.os).toBe(process.platform)
    if (process.platform === 'linux') expect(['glibc', 'musl']).toContain(platform.libc)
  })
  it('finds packages and their versions', () => {
    expect(packageVersion('koffi')).toMatch(/^\d+\.\d+/)
    expect(packageRoot('no-such-package-anywhere')).toBeUndefined()
    expect(packageVersion('no-such-package-anywhere')).toBeUndefined()
  })
})
