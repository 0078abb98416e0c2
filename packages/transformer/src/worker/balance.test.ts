import { describe, expect, it } from 'vitest'
import { TransformerError } from '../errors.js'
import { streamingLm } from '../lm/streaming-lm.js'
import type { Lm, LmPart, LmResult } from '../lm/types.js'
import { balance } from './balance.js'

const result: LmResult = {
  text: 'x',
  reasoning: '',
  tokens: [1],
  toolCalls: [],
  object: undefined,
  logprobs: undefined,
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
  finishReason: 'stop',
  seconds: { prefill: 0, decode: 0 },
}

/** Answers when told to, or fails. */
function copy(id: string, hasHealth = false) {
  const state = { id, calls: 0, isDead: false, release: [] as (() => void)[], disposed: 0 }
  const lm: Lm = streamingLm({
    info: { id, architecture: 'test', context: 8, parameters: undefined, licence: undefined, hasChatTemplate: false },
    async *stream(): AsyncGenerator<LmPart, void, undefined> {
      state.calls++
      if (state.isDead) throw new TransformerError('REMOTE', `${id} is gone`)
      await new Promise<void>((resolve) => state.release.push(resolve))
      yield { type: 'finish', result }
    },
    tokenize: async () => Uint32Array.of(1),
    ...(hasHealth
      ? { health: () => ({ copies: 1, ready: state.isDead ? 0 : 1, restarts: 2, reasons: state.isDead ? [`${id} is gone`] : [] }) }
      : {}),
    dispose: async () => void state.disposed++,
  })
  return { lm, state }
}

describe('balance', () => {
  it('gives each call to the copy with the fewest under way', async () => {
    const [a, b] = [copy('a'), copy('b')]
    const lm = balance([a.lm, b.lm])
    const calls = [lm.generate('1'), lm.generate('2'), lm.generate('3')]
    await Promise.resolve()
    expect([a.state.calls, b.state.calls]).toEqual([2, 1])
    a.state.release.splice(0).forEach((release) => release())
    await Promise.all([calls[0], calls[2]])
    const fourth = lm.generate('4')
    await Promise.resolve()
    expect([a.state.calls, b.state.calls]).toEqual([3, 1])
    for (const { state } of [a, b]) state.release.forEach((release) => release())
    await Promise.all([fourth, calls[1]])
  })

  it('passes over copies that are gone as long as others are there', async () => {
    const [a, b] = [copy('a'), copy('b')]
    const lm = balance([a.lm, b.lm])
    a.state.isDead = true
    await expect(lm.generate('1')).rejects.toMatchObject({ code: 'REMOTE' })
    const calls = [lm.generate('2'), lm.generate('3')]
    await Promise.resolve()
    b.state.release.forEach((release) => release())
    await Promise.all(calls)
    expect([a.state.calls, b.state.calls]).toEqual([1, 2])
    b.state.isDead = true
    await expect(lm.generate('4')).rejects.toMatchObject({ message: 'b is gone' })
    await expect(lm.generate('5')).rejects.toMatchObject({ code: 'REMOTE' })
    await lm.dispose()
    expect([a.state.disposed, b.state.disposed]).toEqual([1, 1])
  })

  it('takes a worker out as long as it is dead, and tells of all', async () => {
    const [a, b, c] = [copy('a', true), copy('b', true), copy('c')]
    const lm = balance([a.lm, b.lm, c.lm])
    const ask = async (): Promise<string> => {
      const call = lm.generate('x')
      await Promise.resolve()
      const asked = [a, b, c].find(({ state }) => state.release.length > 0)
      asked?.state.release.splice(0).forEach((release) => release())
      await call
      return asked!.state.id
    }
    a.state.isDead = true
    expect([await ask(), await ask(), await ask()]).toEqual(['b', 'c', 'b'])
    expect(lm.health!()).toEqual({ copies: 3, ready: 2, restarts: 4, reasons: ['a is gone'] })
    a.state.isDead = false // at once, however short ago it died
    expect(await ask()).toBe('a')
    b.state.isDead = true
    expect([await ask(), await ask(), await ask()]).toEqual(['c', 'a', 'c'])
  })

  it('refuses none', () => {
    expect(() => balance([])).toThrow(expect.objectContaining({ code: 'OPTION' }))
  })
})
