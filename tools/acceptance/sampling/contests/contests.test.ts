import { describe, expect, it } from 'vitest'
import { mutated, randomFrom } from '../schemas/mutate.js'
import type { Job } from './contest.js'
import { Contestant } from './contestant.js'
import { quantile, time } from './figures.js'
import { readRaw, writeRaw } from './raw-json.js'
import { Tally } from './tally.js'

const job: Job = { name: 'a', schema: '{}', texts: [], anyOrder: false, measured: 0, seconds: 1 }

describe('raw JSON', () => {
  it('keeps numbers as they are written, the order of members, and little white space', () => {
    const given = '{ "b" : [1.0, -0, 1e400, 123456789012345678901234567890 ],\n"a": {"": null, "x": [] }, "t": true }'
    expect(writeRaw(readRaw(given))).toBe('{"b":[1.0,-0,1e400,123456789012345678901234567890],"a":{"":null,"x":[]},"t":true}')
  })

  it('writes texts with as few escapes as there can be', () => {
    expect(writeRaw(readRaw('["\\u00e9\\/\\"\\n{}[],:", "\\ud83d\\ude00", "\\\\"]'))).toBe('["é/\\"\\n{}[],:","😀","\\\\"]')
  })

  it('says where there is none', () => {
    expect(() => readRaw('{"a": ')).toThrow(SyntaxError)
    expect(() => readRaw('[1, "a]')).toThrow(SyntaxError)
  })
})

describe('a contestant', () => {
  const answering = (code: string): Contestant => new Contestant('one', process.execPath, ['--input-type=module', '-e', code], 2)
  const program = (onLine: string): string =>
    `import { createInterface } from 'node:readline'
     console.log(JSON.stringify({ runtime: 'test', preparation: 1 }))
     for await (const line of createInterface({ input: process.stdin })) { ${onLine} }`

  it('that gives no answer is started anew for the next schema', async () => {
    const one = answering(program(`if (JSON.parse(line).name !== 'slow') console.log('{"compile":1}')`))
    expect(await one.ask(job)).toEqual({ compile: 1 })
    expect(await one.ask({ ...job, name: 'slow' })).toEqual({ refused: 'no answer in 2 s' })
    expect(await one.ask(job)).toEqual({ compile: 1 })
    expect(one.preparations).toHaveLength(2)
    one.end()
  })

  it('that dies of a schema says so', async () => {
    const one = answering(program(`console.error('out of luck'); process.exit(3)`))
    expect((await one.ask(job)).refused).toMatch(/the process ended: .*out of luck/)
  })

  it('that does not start is an error', async () => {
    await expect(answering(`throw new Error('no library')`).start()).rejects.toThrow(/one does not start: the process ended: /)
  })
})

describe('a tally', () => {
  it('counts what was accepted and should not have been, and the other way round', () => {
    const tally = new Tally()
    const answer = {
      compile: 2,
      masks: [1, 9],
      again: [1],
      texts: [{ accepted: true }, { accepted: false, stoppedAt: 3 }, { accepted: true }, {}],
    }
    tally.take('s', ['1', '2'], ['3', '4'], answer as never)
    tally.take('t', [], [], { refused: 'no' })
    expect(tally).toMatchObject({
      asked: 2,
      valid: 2,
      invalid: 1,
      unfinished: 1,
      rejected: ['s: 2 after 3 tokens'],
      accepted: ['s: 3'],
      refused: ['t: no'],
    })
    expect(tally.slowest).toEqual({ name: 's', microseconds: 9 })
  })

  it('has quantiles, of none none', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect([0, 0.5, 0.99, 1].map((share) => quantile(values, share))).toEqual([1, 51, 100, 100])
    expect(quantile([], 0.5)).toBeNaN()
    expect([0.5, 12.34, 999, 45_600, 2e6, NaN].map(time)).toEqual(['0.50 µs', '12.3 µs', '999 µs', '45.6 ms', '2.0 s', '–'])
  })
})

describe('values that are changed in one place', () => {
  it('are other values, the same for the same seed, and leave what they were made from', () => {
    const given = { a: [1, 'two', { b: null }], c: true }
    const make = (): string[] => {
      const below = randomFrom(7)
      return Array.from({ length: 50 }, () => JSON.stringify(mutated(given, below)))
    }
    const made = make()
    expect(make()).toEqual(made)
    expect(new Set(made).size).toBeGreaterThan(20)
    expect(given).toEqual({ a: [1, 'two', { b: null }], c: true })
  })
})
