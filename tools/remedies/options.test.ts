import { expect, it } from 'vitest'
import { readOptions } from './options.js'

it('reads what is given, and fills in the rest', () => {
  expect(readOptions([], {})).toEqual({ help: false, questions: 100, seed: 1 })
  const args = ['--endpoint', 'http://localhost:8080/v1', '--model-id', 'm', '--key-variable', 'KEY', '--budget', '500', '--seed', '3']
  expect(readOptions(args, { KEY: 'k' })).toEqual({
    help: false,
    questions: 100,
    seed: 3,
    budget: 500,
    endpoint: { url: 'http://localhost:8080/v1', modelId: 'm', key: 'k' },
  })
})

it.each([
  [['--question', '3'], /'--question'/],
  [['--questions', '0'], /--questions: expected an integer of at least 1, got "0"/],
  [['--seed', 'x'], /--seed: expected an integer of at least 0, got "x"/],
  [['--budget', ''], /--budget: expected an integer of at least 1, got ""/],
  [['--endpoint', 'localhost:8080'], /--endpoint: expected an address such as http:.*got "localhost:8080"/],
  [['--endpoint', 'http://localhost/v1', '--model', 'm.mjs'], /one model at a time/],
  [['--endpoint', 'http://localhost/v1', '--key-variable', 'KEY'], /no variable KEY/],
])('refuses %j', (args, message) => {
  expect(() => readOptions(args, {})).toThrow(expect.objectContaining({ name: 'UsageError', message: expect.stringMatching(message) }))
})
