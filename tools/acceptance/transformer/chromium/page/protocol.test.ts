import { expect, it } from 'vitest'
import { timed } from './protocol.js'

it('counts the tokens behind the first, from the first to the last', async () => {
  async function* tokens(): AsyncGenerator<string> {
    yield* ['a', '', 'b']
  }
  const { tokens: count, milliseconds, first, text } = await timed(tokens())
  expect({ count, text }).toEqual({ count: 2, text: 'ab' })
  expect(milliseconds).toBeGreaterThanOrEqual(0)
  expect(first).toBeGreaterThanOrEqual(0)
})
