import type { Tokenizer } from '@tesserae/tokenizer'
import { beforeAll, describe, expect, it } from 'vitest'
import { conversations, template, tinyTokenizer } from '../__fixtures__/tiny.js'
import { RlhfError } from '../errors.js'
import { batchIndices, collate, paddedLength } from './collate.js'
import { preparePreferences, prepareSft } from './prepare.js'
import { checkRow, checkRows, parseRows, readRows, type RowKind } from './rows.js'
import { chatTemplate, renderConversation, renderPrompt, stopToken } from './template.js'

let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await tinyTokenizer()
})

const refusal = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (RlhfError.isInstance(error)) return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

describe('rows', () => {
  it('come out of JSONL, whole or in pieces cut anywhere', async () => {
    const text = '\uFEFF{"prompt": "a", "completion": "b"}\r\n\n{"messages": [{"role": "assistant", "content": "ü"}]}'
    const rows = parseRows(text, 'sft')
    expect(rows).toEqual([{ prompt: 'a', completion: 'b' }, { messages: [{ role: 'assistant', content: 'ü' }] }])
    for (const size of [1, 7, 1000]) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size))
      const read = []
      for await (const row of readRows(pieces, 'sft')) read.push(row)
      expect(read).toEqual(rows)
    }
  })

  it('that are malformed are refused with their line, what it holds and what was expected', async () => {
    const bad = (kind: RowKind, row: unknown): string =>
      refusal(() =>
        parseRows(
          `{"prompt":"p","completion":"c","chosen":"a","rejected":"b"}\n\n${typeof row === 'string' ? row : JSON.stringify(row)}`,
          kind,
        ),
      )
    expect(bad('sft', '{"prompt": ')).toMatch(/^ROW line 3 is not JSON .*expected one JSON object a line: \{"messages"/)
    expect(bad('sft', [1])).toMatch(/^ROW line 3 is \[1\]; expected \{"messages"/)
    expect(bad('sft', { prompt: 'x' })).toContain('line 3 has no completion (its fields: prompt)')
    expect(bad('sft', { prompt: 'x', completion: 3 })).toContain('line 3 has completion 3, neither text nor messages')
    expect(bad('sft', { prompt: 'x', completion: '' })).toContain('line 3 has an empty completion')
    expect(bad('sft', { messages: [{ role: 'bot', content: 'x' }] })).toContain(
      'has the role "bot" in messages[0], not one of system, user, assistant',
    )
    expect(bad('sft', { messages: [{ role: 'user', content: 'x' }] })).toContain('has no message of the assistant')
    expect(bad('sft', { messages: [{ role: 'assistant', content: null }] })).toContain('has the content null in messages[0], not text')
    expect(bad('sft', { messages: [] })).toContain('has no messages in messages')
    expect(bad('preference', { prompt: 'x', chosen: 'y' })).toContain('line 3 has no rejected')
    expect(bad('preference', { prompt: 'x', chosen: 'y', rejected: 'y' })).toContain('the same answer as chosen and as rejected')
    expect(bad('preference', { chosen: 'y', rejected: 'z', margin: 'much' })).toContain('has margin "much", not a number')
    expect(bad('prompt', {})).toContain('line 3 has no prompt (its fields: none)')
    expect(refusal(() => parseRows('\n\n', 'prompt'))).toContain('no rows: expected at least one line with {"prompt"}')
    expect(refusal(() => checkRows([{ prompt: 'x' }, 7], 'prompt'))).toContain('row 2 is 7')
    expect(checkRow({ prompt: 'x', more: 1 }, 'prompt', 'row 1')).toEqual({ prompt: 'x', more: 1 })
    await expect(
      (async () => {
        for await (const _ of readRows(['{"prompt":"x"}\n{"prom', 'pt":1}'], 'prompt'));
      })(),
    ).rejects.toThrow('line 2 has prompt 1')
  })
})

describe('rendering', () => {
  const id = (name: string): number => tokenizer.specialTokens.get(name)!

  it('learns what the assistant says and its stop token, and nothing else', () => {
    const { ids, mask } = renderConversation(
      [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'What colour is the sky?' },
        { role: 'assistant', content: 'It is blue.' },
      ],
      { tokenizer, template },
    )
    expect(tokenizer.decode(ids)).toBe('<|system|>Be brief.<|end|><|user|>What colour is the sky?<|end|><|assistant|>It is blue.<|end|>')
    expect(tokenizer.decode([...ids].filter((_, i) => mask[i] === 1))).toBe('It is blue.<|end|>')
    expect(stopToken({ tokenizer, template })).toBe(id('<|end|>'))
  })

  it('has the prompt of generation as its beginning, whatever the answer begins with', () => {
    for (const answer of ['blue', ' blue', '\n', '?', '…']) {
      const prompt = renderPrompt([{ role: 'user', content: 'What colour is the sky' }], { tokenizer, template })
      const whole = renderConversation(
        [
          { role: 'user', content: 'What colour is the sky' },
          { role: 'assistant', content: answer },
        ],
        { tokenizer, template },
      )
      expect([...whole.ids.slice(0, prompt.length)]).toEqual([...prompt])
      expect(whole.mask.indexOf(1)).toBe(prompt.length)
    }
  })

  it('keeps markers that a user writes as letters', () => {
    const { ids } = renderConversation(
      [
        { role: 'user', content: 'say <|end|><|assistant|>' },
        { role: 'assistant', content: 'no' },
      ],
      { tokenizer, template },
    )
    expect([...ids].filter((one) => one === id('<|end|>'))).toHaveLength(2)
    expect([...ids].filter((one) => one === id('<|assistant|>'))).toHaveLength(1)
  })

  it('refuses templates that cannot work', () => {
    const markers = { user: '<|user|>', assistant: '<|assistant|>' }
    expect(refusal(() => chatTemplate({ ...markers, end: '<|end|>', pad: '<|end|>' }))).toContain('the stop token would be masked too')
    expect(refusal(() => chatTemplate({ ...markers, end: '' }))).toContain('end is empty')
    expect(refusal(() => chatTemplate({ ...markers, end: '<|user|>' }))).toContain('user and end are both')
    const plain = chatTemplate({ ...markers, end: 'STOP' })
    expect(refusal(() => renderPrompt([], { tokenizer, template: plain }))).toMatch(/^TEMPLATE .*"STOP", which is not a special token/)
    const two = chatTemplate({ ...markers, end: '<|end|>' })
    expect(refusal(() => renderPrompt([{ role: 'system', content: '' }], { tokenizer, template: two }))).toContain('the role system')
  })
})

describe('preparing', () => {
  it('learns every answer of a conversation, and of a completion row the completion', () => {
    const rows = [
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
          { role: 'user', content: 'c' },
          { role: 'assistant', content: 'd' },
        ],
      },
      {
        prompt: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
          { role: 'user', content: 'c' },
        ],
        completion: 'd',
      },
    ] as const
    const learnt = prepareSft(rows, { tokenizer, template, maxLength: 48 }).map(({ ids, mask }) =>
      tokenizer.decode([...ids].filter((_, i) => mask[i] === 1)),
    )
    expect(learnt).toEqual(['b<|end|>d<|end|>', 'd<|end|>'])
  })

  it('deals with rows that are too long as told', () => {
    const prepare = (maxLength: number, overflow?: 'drop' | 'truncate') => () =>
      prepareSft(conversations, { tokenizer, template, maxLength, ...(overflow === undefined ? {} : { overflow }) })
    expect(refusal(prepare(6))).toMatch(/^LENGTH row 1 has \d+ tokens, more than the 6 allowed/)
    expect(prepare(6, 'drop')()).toHaveLength(0)
    const cut = prepare(20, 'truncate')()
    expect(cut.length).toBeGreaterThan(0)
    for (const { ids, mask } of cut) {
      expect(ids.length).toBeLessThanOrEqual(20)
      expect(mask.includes(1)).toBe(true)
    }
  })

  it('takes pairs with a prompt, and conversations that part at an answer', () => {
    const ask = { role: 'user', content: 'a' } as const
    const say = (content: string) => ({ role: 'assistant', content }) as const
    const decoded = (row: Parameters<typeof preparePreferences>[0][number]): string[] =>
      preparePreferences([row], { tokenizer, template, maxLength: 48 }).flatMap(({ chosen, rejected }) =>
        [chosen, rejected].map(({ ids, mask }) => tokenizer.decode([...ids].filter((_, i) => mask[i] === 1))),
      )
    expect(decoded({ prompt: 'a', chosen: 'b', rejected: 'c' })).toEqual(['b<|end|>', 'c<|end|>'])
    expect(decoded({ chosen: [ask, say('x'), ask, say('b')], rejected: [ask, say('x'), ask, say('c')] })).toEqual(['b<|end|>', 'c<|end|>'])
    expect(refusal(() => decoded({ chosen: [ask, say('b')], rejected: [{ ...ask, content: 'z' }, say('c')] }))).toContain(
      'part at message 1',
    )
    expect(refusal(() => decoded({ chosen: [ask, say('b')], rejected: [ask, say('b'), ask] }))).toContain('the beginning of the other')
  })
})

describe('batches', () => {
  it('are padded to few lengths, and predict the next token where it is learnt', () => {
    expect([1, 16, 17, 33, 47].map((tokens) => paddedLength(tokens, 48))).toEqual([16, 16, 32, 48, 48])
    expect(refusal(() => paddedLength(49, 48))).toContain('LENGTH')
    const { ids, targets, last, length, learnt } = collate(
      [
        { ids: Int32Array.of(5, 6, 7), mask: Uint8Array.of(0, 1, 1) },
        { ids: Int32Array.of(8, 9), mask: Uint8Array.of(1, 1) },
      ],
      { longest: 48 },
    )
    expect({ length, learnt, last: [...last] }).toEqual({ length: 16, learnt: 3, last: [2, 1] })
    expect([...ids.slice(0, 4), ...ids.slice(16, 20)]).toEqual([5, 6, 7, 0, 8, 9, 0, 0])
    expect([...targets.slice(0, 4), ...targets.slice(16, 20)]).toEqual([6, 7, -1, -1, 9, -1, -1, -1])
  })

  it('go through all examples before any comes again, in another order each time', () => {
    const settings = { examples: 10, rows: 4, seed: 'x' }
    const places = Array.from({ length: 5 }, (_, i) => batchIndices(i, settings)).flat()
    const [first, second] = [places.slice(0, 10), places.slice(10)]
    for (const pass of [first, second]) expect([...pass].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(first).not.toEqual(second)
    expect(batchIndices(3, settings)).toEqual(places.slice(12, 16))
  })
})
