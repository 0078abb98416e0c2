import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { checkCommandLine } from './command-line.js'

describe('a command line', () => {
  it('is refused where ONNX Runtime would not stand it', () => {
    expect(() => checkCommandLine()).not.toThrow()
    expect(() => checkCommandLine(16_384)).not.toThrow()
    expect(() => checkCommandLine(16_385)).toThrow(
      'the command line of this process has 16385 bytes, and ONNX Runtime can be started with at most 16384; give long texts in a file or by the standard input',
    )
  })

  it.runIf(process.platform === 'linux')('is told of before it brings the process down', () => {
    const script = `
      const { cpuRoutes } = await import(${JSON.stringify(new URL('./cpu.ts', import.meta.url).href)})
      for (const { name, open } of cpuRoutes.slice(0, 2)) await open({ threads: 1 }).catch((error) => console.log(name, error.code, error.message.slice(0, 16)))`
    const { stdout, status } = spawnSync(
      process.execPath,
      ['--conditions=@tesserae/source', '--import', 'tsx', '--input-type=module', '-e', script, 'x'.repeat(60_000)],
      { encoding: 'utf8' },
    )
    expect([status, stdout.trim().split('\n')]).toEqual([0, ['c-api DEVICE the command line', 'binding DEVICE the command line']])
  })
})
