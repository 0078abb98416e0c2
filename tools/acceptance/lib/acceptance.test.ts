import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { measure } from './measure.js'
import { PeerUnavailable, runForJson } from './peers.js'
import { atLeast, atMost, unavailable } from './row.js'
import { printTable } from './table.js'
import { compareTimes, median } from './timing.js'

const folder = mkdtempSync(join(tmpdir(), 'tesserae-acceptance-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function rowFile(name: string, code: string): { name: string; path: string } {
  const path = join(folder, `${name}.ts`)
  writeFileSync(path, code)
  return { name, path }
}

describe('rows', () => {
  it('are met on the right side of the limit, and never by NaN', () => {
    expect(atLeast('speed', 1.3, 1.3)).toEqual({ figure: 'speed', target: '≥ 1.3', measured: '1.30', met: true })
    expect(atLeast('speed', 1.29, 1.3).met).toBe(false)
    expect(atMost('time', 12.04, 12, { unit: 'min', digits: 1, note: 'cold' })).toEqual({
      figure: 'time',
      target: '≤ 12 min',
      measured: '12.0 min',
      met: false,
      note: 'cold',
    })
    expect(atLeast('x', NaN, 1).met || atMost('x', NaN, 1).met).toBe(false)
  })

  it('say why a peer is missing, and are not met', () => {
    expect(unavailable('against torch', '≥ 1.3', new PeerUnavailable('no pip'))).toMatchObject({
      measured: 'not measured',
      met: false,
      note: 'no pip',
    })
  })

  it('line up as a table, with bars escaped', () => {
    const lines = printTable([atLeast('a|b', 2, 1), atMost('³', 2, 1, { note: 'two\nlines' })]).split('\n')
    expect(lines).toEqual(
      [
        '| figure | target | measured | met | note',
        '|--------|--------|----------|-----|------',
        '| a\\|b   | ≥ 1    | 2.00     | yes | ',
        '| ³      | ≤ 1    | 2.00     | NO  | two lines',
      ].map((line, i) => (i === 1 ? `${line}|` : `${line} |`)),
    )
  })
})

describe('measure', () => {
  it('returns the rows of a file', async () => {
    const file = rowFile('good', "export default async () => [{ figure: 'f', target: 't', measured: 'm', met: true }]")
    expect(await measure(file)).toEqual([{ figure: 'f', target: 't', measured: 'm', met: true }])
  })

  it('turns an error, a crash and no rows into rows that are not met', async () => {
    expect(await measure(rowFile('throws', "export default async () => { throw new Error('no such weights') }"))).toEqual([
      {
        figure: 'throws',
        target: 'to be measured',
        measured: 'not measured',
        met: false,
        note: 'ended with exit code 1: Error: no such weights',
      },
    ])
    expect(await measure(rowFile('killed', "export default async () => process.kill(process.pid, 'SIGKILL')"))).toMatchObject([
      { met: false, note: 'ended with signal SIGKILL' },
    ])
    expect(await measure(rowFile('empty', 'export default async () => []'))).toMatchObject([{ met: false }])
  })
})

describe('the command', () => {
  const run = (...args: string[]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [join(import.meta.dirname, '../run.mjs'), ...args], { encoding: 'utf8' })
  it('says what it takes when the name is missing, unknown or has no rows', () => {
    expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining('Names: foundation, road') })
    expect(run('nothing')).toMatchObject({ status: 2, stderr: expect.stringContaining("no bars called 'nothing'") })
    expect(run('foundation', '--fast')).toMatchObject({ status: 2, stderr: expect.stringContaining("'--fast'") })
  })
})

describe('helpers', () => {
  it('find the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
    expect(() => median([])).toThrow(RangeError)
  })

  it('time works in turns', async () => {
    const order: string[] = []
    const times = await compareTimes({ a: () => order.push('a'), b: () => order.push('b') }, { warmup: 1, runs: 2 })
    expect(order.join('')).toBe('abbaab')
    expect(Object.keys(times)).toEqual(['a', 'b'])
  })

  it('parse the last line of a program as JSON and say what else came', async () => {
    expect(await runForJson(process.execPath, ['-e', "console.log('loading'); console.log('{\"ms\": 3}')"])).toEqual({ ms: 3 })
    await expect(runForJson(process.execPath, ['-e', "console.log('hello')"])).rejects.toThrow('did not print JSON last but: hello')
    await expect(runForJson(process.execPath, ['-e', "console.log('out of memory'); process.exit(3)"])).rejects.toThrow(
      'ended with 3: out of memory',
    )
  })
})
