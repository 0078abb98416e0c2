import { describe, expect, it } from 'vitest'
import type { Fate } from '../testing/thread-member.js'
import { runThreads, threadGroup, type RunThreadsOptions } from './run-threads.js'

/** The module itself is TypeScript, which threads have to be taught to read first. */
const script = `
  import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
  register()
  await import(${JSON.stringify(new URL('../testing/thread-member.ts', import.meta.url).href)})`
const member = new URL(`data:text/javascript,${encodeURIComponent(script)}`)
const worker = { execArgv: ['--conditions=@tesserae/source'], stderr: true }

const run = (fate: Fate, options: Partial<RunThreadsOptions> = {}): Promise<unknown> =>
  runThreads(member, { size: 2, data: { fate }, worker, ...options }).then(
    () => 'well',
    (error: unknown) => error,
  )

describe('runThreads', () => {
  it('runs a module in threads that add up to the same bits', async () => {
    const said: unknown[] = []
    expect(await run('well', { onMessage: (rank, value) => (said[rank] = value) })).toBe('well')
    expect(said[0]).toEqual(said[1])
    const [first, second] = said[0] as number[]
    expect([first, second]).toEqual([0, Math.fround(Math.fround(Math.sin(1) / 3) + Math.fround(Math.sin(1) / 4))])
  })

  it.each([
    ['throws', /rank 1 has failed: RangeError: thrown later/],
    ['rejects', /rank 1 has failed: RangeError: rejected/],
    ['exits', /rank 1 has failed: it ended with exit code 3/],
    // Its thread ends well: what is wrong shows in rank 0, which waits for it.
    ['forgets', /rank 0 has failed: PeerError: rank 1 is gone: its thread has ended without closing the group \(during call 2, barrier\)/],
  ] as const)('ends with the rank and its error when one %s', async (fate, message) => {
    expect(await run(fate)).toMatchObject({ code: 'PEER', message: expect.stringMatching(message) })
  })

  it('ends all threads by a signal, even one that hangs', async () => {
    const controller = new AbortController()
    const seen = await run('hangs', {
      signal: controller.signal,
      onMessage: (rank) => rank === 1 && setTimeout(() => controller.abort('late')),
    })
    expect(seen).toMatchObject({ name: 'AbortError', cause: 'late' })
    expect(await run('well', { signal: AbortSignal.abort() })).toMatchObject({ name: 'AbortError' })
  })

  it('refuses what is no thread of its own', () => {
    expect(() => threadGroup()).toThrow('was not started by runThreads()')
  })
})
