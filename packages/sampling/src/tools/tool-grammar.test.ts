import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../__fixtures__/helpers.js'
import { bytesOf } from '../grammar/bytes.js'
import type { Grammar } from '../grammar/compile.js'
import { Vocabulary } from '../grammar/vocabulary.js'
import { formatOf, toolFormats, type FormatName } from './format.js'
import type { JsonSchema } from '../grammar/json-schema/document.js'
import type { Tool } from './tool.js'
import { readToolCalls, ToolCallParser, type ToolCallEvent } from './tool-call-parser.js'
import { toolGrammar, type ToolGrammarOptions } from './tool-grammar.js'

const grammarOf = (tools: readonly Tool[], options: ToolGrammarOptions): Grammar => toolGrammar(tools, options)

const tools = [
  {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' }, units: { enum: ['celsius', 'fahrenheit'] } },
      required: ['city'],
    },
  },
  {
    type: 'function',
    function: {
      name: 'weather_list',
      description: 'All of it',
      parameters: {
        type: 'object',
        properties: {
          Places: {
            type: 'array',
            items: { type: 'object', properties: { name: { type: 'string' }, at: { type: 'number' } }, required: ['at'] },
          },
          exact: { type: 'boolean' },
        },
        required: ['Places', 'exact'],
      },
    },
  },
  { name: 'now' },
] as const satisfies readonly Tool[]

const pieces = [
  ...toolFormats.map((format) => formatOf(format).marker),
  ...[
    '</tool_call>',
    '</parameter>',
    '</function>',
    '<function=',
    '<parameter=',
    '<escape>',
    '<|"|>',
    '[ARGS]',
    '[CALL_ID]',
    '<end_function_call>',
    '<tool_call|>',
  ],
  ...[
    '"',
    '}',
    ']',
    '",',
    '":',
    '{"',
    '"}',
    '}}',
    ', ',
    '\n',
    ';',
    'true',
    '12',
    '.5',
    'é',
    '😀',
    '\\n',
    '\n</parameter>\n',
    'call:',
    'weather',
    '"city"',
    'text ',
    '<',
    '</',
    '[TOOL',
    '\\u00e9',
    'x\n',
  ],
]
const END = 256
const vocabulary = new Vocabulary(
  [...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)), undefined, ...pieces.map((piece) => bytesOf(piece))],
  { end: [END] },
)

/** A text that follows a grammar, chosen by a seed; whole pieces more often than bytes, so that strings end. */
function generate(grammar: Grammar, seed: number): string {
  const stream = random(seed)
  const matcher = grammar.matcher(vocabulary)
  const bytes: number[] = []
  const bits = new Uint32Array(vocabulary.words)
  for (;;) {
    matcher.mask(bits)
    const allowed = Array.from({ length: vocabulary.size }, (_, id) => id).filter((id) => ((bits[id >> 5]! >>> (id & 31)) & 1) === 1)
    expect(allowed.length).toBeGreaterThan(0)
    const going = allowed.filter((id) => id !== END)
    if (allowed.includes(END) && (going.length === 0 || bytes.length > 400 || stream.uniform() < 0.25))
      return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes))
    const whole = going.filter((id) => id > END)
    // Beyond some length what closes is chosen where it can be.
    const closing = bytes.length > 300 ? whole.filter((id) => /["}\]>\n]$/.test(pieces[id - END - 1]!)) : []
    const from = closing.length > 0 && stream.uniform() < 0.8 ? closing : whole.length > 0 && stream.uniform() < 0.6 ? whole : going
    const id = stream.choice(from)
    matcher.accept(id)
    bytes.push(...vocabulary.tokens[id]!)
    expect(bytes.length).toBeLessThan(20_000)
  }
}

/** Whether a value is of a schema of these tests. */
function isOf(value: unknown, schema: JsonSchema): boolean {
  const {
    type,
    enum: values,
    properties = {},
    required = [],
    items,
  } = schema as {
    type?: string
    enum?: readonly unknown[]
    properties?: { [key: string]: JsonSchema }
    required?: readonly string[]
    items?: JsonSchema
  }
  if (values !== undefined) return values.includes(value)
  if (type === 'array') return Array.isArray(value) && value.every((one) => isOf(one, items!))
  if (type === 'integer') return Number.isInteger(value)
  if (type !== 'object') return typeof value === type
  const object = value as { [key: string]: unknown }
  return (
    typeof value === 'object' &&
    Object.entries(object).every(([key, one]) => !Object.hasOwn(properties, key) || isOf(one, properties[key]!)) &&
    required.every((key) => key in object)
  )
}

const parametersOf = (name: string): JsonSchema => {
  for (const tool of tools) {
    const one: { readonly name: string; readonly parameters?: JsonSchema } = 'function' in tool ? tool.function : tool
    if (one.name === name) return one.parameters ?? { type: 'object' }
  }
  return false
}

/** Events without what depends on how the text was cut. */
function summary(events: readonly ToolCallEvent[]): string {
  const said: string[] = []
  const deltas = new Map<number, string>()
  let text = ''
  for (const event of events) {
    if (event.type === 'text') {
      text += event.text
      continue
    }
    if (event.type === 'arguments') {
      deltas.set(event.index, (deltas.get(event.index) ?? '') + event.delta)
      continue
    }
    if (event.type === 'call-end') expect(JSON.parse(deltas.get(event.index)!)).toEqual(event.arguments)
    said.push(text, JSON.stringify(event))
    text = ''
  }
  return [...said, text].join('\n')
}

function readIn(format: FormatName, cut: readonly string[], given: readonly Tool[] | undefined = tools): string {
  const parser = new ToolCallParser(given, { format })
  return summary([...cut.flatMap((piece) => parser.push(piece)), ...parser.end()])
}

/** What the templates of the models make of a call of `weather` with the city Rome and 2 days. */
const WRITTEN: Readonly<Record<FormatName, string>> = {
  hermes: '<tool_call>\n{"name": "weather", "arguments": {"city":"Rome","days":2}}\n</tool_call>',
  'llama3.1': '{"name": "weather", "parameters": {"city":"Rome","days":2}}',
  'llama3.1-function': '<function=weather>{"city":"Rome","days":2}</function>',
  mistral: '[TOOL_CALLS] [{"name": "weather", "arguments": {"city":"Rome","days":2}}]',
  'mistral-v11': '[TOOL_CALLS]weather[ARGS]{"city":"Rome","days":2}',
  'function-gemma': '<start_function_call>call:weather{city:<escape>Rome<escape>,days:2}<end_function_call>',
  'gemma-4': '<|tool_call>call:weather{city:<|"|>Rome<|"|>,days:2}<tool_call|>',
  'qwen3-coder':
    '<tool_call>\n<function=weather>\n<parameter=city>\nRome\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>',
}
const TWO: Readonly<Record<FormatName, string>> = {
  ...(Object.fromEntries(toolFormats.map((format) => [format, WRITTEN[format] + formatOf(format).between + WRITTEN[format]])) as Record<
    FormatName,
    string
  >),
  'llama3.1':
    '<|python_tag|>{"name": "weather", "parameters": {"city":"Rome","days":2}}; {"name": "weather", "parameters": {"city":"Rome","days":2}}',
  mistral:
    '[TOOL_CALLS][{"name": "weather", "arguments": {"city":"Rome","days":2}}, {"name": "weather", "arguments": {"city":"Rome","days":2}, "id": "abcdef012"}]',
  'mistral-v11': '[TOOL_CALLS]weather[CALL_ID]abcdef012[ARGS]{"city":"Rome","days":2}[TOOL_CALLS]weather[ARGS]{"city":"Rome","days":2}',
}

describe.each(toolFormats)('calls in the format %s', (format) => {
  it('are allowed and read as the templates write them', () => {
    const [one, two] = [WRITTEN[format], TWO[format]]
    const call = { name: 'weather', arguments: { city: 'Rome', days: 2 } }
    const isAtStart = formatOf(format).atStart !== undefined
    const marked = isAtStart ? formatOf(format).marker + one : one
    expect(readToolCalls(one, tools, { format }).calls).toMatchObject([call])
    expect(readToolCalls(two, tools, { format }).calls).toMatchObject([call, { ...call, index: 1 }])
    expect(readToolCalls(`Let me see <too [T <|py\n${marked}`, undefined, { format })).toMatchObject({
      text: 'Let me see <too [T <|py\n',
      calls: [call],
      broken: [],
    })

    const auto = grammarOf(tools, { format })
    for (const text of ['', 'Hello <tool [TOOL <| é', one, two, `Let me see\n${marked}`]) expect(auto.matches(text) ? '' : text).toBe('')
    for (const text of [formatOf(format).marker, one.slice(0, -1), marked.replace('weather', 'whether'), `${one} more`])
      expect(auto.matches(text) ? text : '').toBe('')
    const required = grammarOf(tools, { format, choice: 'required', parallel: false })
    expect(['', 'Hello', one, two, `So ${marked}`].map((text) => required.matches(text))).toEqual([false, false, true, false, false])
    const two2 = grammarOf(tools, { format, choice: 'required', parallel: { max: 2 }, text: true })
    expect(['', 'Hello', one, two, `So ${marked}`].map((text) => two2.matches(text))).toEqual([false, false, true, true, true])
    const named = grammarOf(tools, { format, choice: { name: 'now' } })
    expect(['', one, two].map((text) => named.matches(text))).toEqual([false, false, false])
    const none = grammarOf([], { format, choice: 'none' })
    // What begins like a marker and is none may have the beginning of one at its end.
    const begun = `x${marked.slice(0, 1)}`
    expect([auto.matches(begun + marked), auto.matches(begun + marked.slice(0, -1)), none.matches(begun + marked)]).toEqual([
      true,
      false,
      false,
    ])
    expect(['', 'Hello < [', one, marked, `So ${marked}`].map((text) => none.matches(text))).toEqual([true, true, false, false, false])
  })

  it('are read as they are generated, however they are cut', () => {
    const stream = random(9)
    let [calls, texts] = [0, 0]
    for (const choice of ['auto', 'required', 'none', { name: 'weather_list' }] as const) {
      const grammar = grammarOf(tools, { format, choice, parallel: { max: 3 }, text: choice !== 'required' })
      for (let seed = 0; seed < 5; seed++) {
        const text = generate(grammar, seed)
        expect(grammar.matches(text)).toBe(true)
        const read = readToolCalls(text, tools, { format })
        expect(read.broken).toEqual([])
        for (const call of read.calls) expect(isOf(call.arguments, parametersOf(call.name)) ? '' : text).toBe('')
        if (choice === 'none') expect([read.text, read.calls]).toEqual([text, []])
        else if (choice !== 'auto') expect(read.calls.length).toBeGreaterThan(0)
        if (typeof choice === 'object') expect(new Set(read.calls.map(({ name }) => name))).toEqual(new Set(['weather_list']))
        expect(read.calls.length).toBeLessThan(4)
        calls += read.calls.length
        if (read.text !== '') texts++
        const whole = readIn(format, [text])
        expect(readIn(format, [...text])).toBe(whole)
        const places = [0, text.length, ...Array.from({ length: 4 }, () => stream.int(text.length + 1))].sort((a, b) => a - b)
        expect(
          readIn(
            format,
            places.slice(1).map((end, i) => text.slice(places[i], end)),
          ),
        ).toBe(whole)
      }
    }
    expect(calls).toBeGreaterThan(8)
    expect(texts).toBeGreaterThan(4)
  })

  it('are read the same however they are cut, whatever is wrong with them', () => {
    const stream = random(10)
    const grammar = grammarOf(tools, { format, choice: 'required' })
    const put = [...pieces, '', '{', '\\', '\ud83d', '"arguments": {}', '[', ',', ':', '=']
    for (let seed = 0; seed < 10; seed++) {
      let text = generate(grammar, seed).slice(0, 400)
      for (let i = stream.int(4); i >= 0; i--) {
        const at = stream.int(text.length + 1)
        text = text.slice(0, at) + stream.choice(put) + text.slice(at + stream.int(6))
      }
      const whole = readIn(format, [text])
      expect(
        readIn(
          format,
          [...text].flatMap((one) => [...one]),
        ),
      ).toBe(whole)
      expect(readIn(format, text.split(''))).toBe(whole)
      expect(readIn(format, text.split(''), undefined)).toBe(readIn(format, [text], undefined))
    }
  })
})

describe('grammars of calls', () => {
  const objectOf = (properties: object, more: object = {}): JsonSchema => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
    ...more,
  })
  const allows = (format: FormatName, parameters: JsonSchema, text: string): boolean =>
    grammarOf([{ name: 'f', parameters }], { format, choice: 'required', parallel: false }).matches(text)
  const gemma = (inside: string): string => `<start_function_call>call:f{${inside}}<end_function_call>`

  it('write values as Gemma does', () => {
    const parameters = objectOf(
      {
        b: { type: 'array', items: { anyOf: [{ type: 'null' }, { enum: ['x', 1, { Z: [true], a: 'y' }] }] }, minItems: 1, maxItems: 2 },
        A: { $ref: '#/$defs/tree' },
        text: { type: 'string', pattern: '^a+$', maxLength: 3 },
      },
      { $defs: { tree: { type: 'object', properties: { next: { $ref: '#/$defs/tree' } } } } },
    )
    const withText = (text: string, b = '[null]'): string => gemma(`A:{next:{next:{}}},b:${b},text:<escape>${text}<escape>`)
    for (const text of [withText('aaa'), withText('a', '[<escape>x<escape>,1]'), withText('a', '[{a:<escape>y<escape>,Z:[true]}]')])
      expect(allows('function-gemma', parameters, text) ? '' : text).toBe('')
    for (const text of [
      withText('aaaa'),
      withText('b'),
      withText('a', '[]'),
      withText('a', '[1,1,1]'),
      gemma('b:[1],A:{},text:<escape>a<escape>'),
    ])
      expect(allows('function-gemma', parameters, text) ? text : '').toBe('')
    const any = objectOf({ city: true }, { additionalProperties: { type: 'boolean' } })
    for (const inside of ['city:{x:[1,<escape>{"}<escape>,{}]}', 'city:null,more:true,other:false'])
      expect(allows('function-gemma', any, gemma(inside)) ? '' : inside).toBe('')
    for (const inside of ['city:1,city:true', 'city:1,more:1', 'more:true'])
      expect(allows('function-gemma', any, gemma(inside)) ? inside : '').toBe('')
  })

  it('write text between tags as it is', () => {
    const parameters = objectOf({
      code: { type: 'string' },
      mode: { enum: ['r', 'w'] },
      n: { type: ['integer'], enum: [1, 2] },
      short: { type: 'string', maxLength: 2 },
    })
    const call = (code: string, mode = 'r', short = ''): string =>
      `<tool_call>\n<function=f>\n<parameter=code>\n${code}\n</parameter>\n<parameter=mode>\n${mode}\n</parameter>\n<parameter=n>\n2\n</parameter>\n<parameter=short>\n${short}\n</parameter>\n</function>\n</tool_call>`
    for (const text of [call(''), call('\n\nif (a < b) {}\n</param\n', 'w', '\n\n')]) {
      expect(allows('qwen3-coder', parameters, text)).toBe(true)
      const [read] = readToolCalls(text, [{ name: 'f', parameters }], { format: 'qwen3-coder' }).calls
      expect(call(...(Object.values(read!.arguments).filter((one) => typeof one === 'string') as [string, string, string]))).toBe(text)
    }
    for (const text of [call('a</parameter>b'), call('a', 'x'), call('a', 'r', 'abc')])
      expect(allows('qwen3-coder', parameters, text)).toBe(false)
  })

  it('say what cannot be', () => {
    const f = (parameters: JsonSchema): Tool => ({ name: 'f', parameters })
    const refusals: [string, () => unknown, string][] = [
      ['TOOL', () => grammarOf([], { format: 'hermes' }), 'at least one tool'],
      ['TOOL', () => grammarOf(tools, { format: 'hermes', choice: { name: 'other' } }), 'no tool called "other"'],
      ['TOOL', () => grammarOf(tools, { format: 'hermes', choice: 'all' as 'auto' }), 'choice must be'],
      ['TOOL', () => grammarOf(tools, { format: 'other' as FormatName }), 'no format of calls "other"'],
      ['TOOL', () => grammarOf([{ name: 'a' }, { name: 'a' }], { format: 'hermes' }), 'two tools are called "a"'],
      ['TOOL', () => grammarOf([{ name: '' }], { format: 'hermes' }), 'not empty'],
      ['TOOL', () => grammarOf([{} as Tool], { format: 'hermes' }), 'got none'],
      ['TOOL', () => grammarOf([{ name: 'a b' }], { format: 'mistral-v11' }), 'cannot carry the name "a b"'],
      ['TOOL', () => grammarOf([{ name: 'a>b' }], { format: 'qwen3-coder' }), 'cannot carry the name "a>b"'],
      ['TOOL', () => grammarOf([f([] as unknown as JsonSchema)], { format: 'hermes' }), 'must be a JSON Schema'],
      ['TOOL', () => grammarOf([f({ type: 'array' })], { format: 'hermes' }), 'arguments are an object'],
      ['VALUE', () => grammarOf(tools, { format: 'hermes', parallel: { max: 0 } }), 'from 1 on'],
      [
        'GRAMMAR',
        () => grammarOf([f(objectOf({ a: { type: 'string', format: 'date', if: {}, not: {} } }))], { format: 'gemma-4' }),
        '"f": Not supported in this format of calls: #/properties/a/if, #/properties/a/not',
      ],
      ['GRAMMAR', () => grammarOf([f(objectOf({ 'a b': true }))], { format: 'gemma-4' }), 'the key "a b"'],
      ['GRAMMAR', () => grammarOf([f(objectOf({ a: { const: 'x<|"|>' } }))], { format: 'gemma-4' }), 'has <|"|> in it'],
      ['GRAMMAR', () => grammarOf([f(objectOf({ a: { $ref: 'http://x.y' } }))], { format: 'gemma-4' }), 'pointers into'],
      ['GRAMMAR', () => grammarOf([f(objectOf({ a: { $ref: '#/$defs/b' } }))], { format: 'gemma-4' }), 'nothing at #/$defs/b'],
      ['GRAMMAR', () => grammarOf([f({ required: 'x' })], { format: 'gemma-4' }), 'must be a list of keys'],
      ['GRAMMAR', () => grammarOf([f({ properties: 3 })], { format: 'qwen3-coder' }), 'properties must be an object'],
      ['GRAMMAR', () => grammarOf([f(objectOf({ a: null }))], { format: 'gemma-4' }), '#/properties/a: a schema is'],
      ['GRAMMAR', () => grammarOf([f(objectOf({ a: { minItems: 'b' } }))], { format: 'gemma-4' }), 'which is none'],
      ['GRAMMAR', () => grammarOf([f(true)], { format: 'qwen3-coder' }), 'says which parameters'],
      ['GRAMMAR', () => grammarOf([f({ type: 'object', required: ['b'] })], { format: 'qwen3-coder' }), '"b" must be among the properties'],
    ]
    for (const [code, action, message] of refusals) {
      expect(action).toThrow(message)
      expect(codeOf(action)).toBe(code)
    }
    expect(
      grammarOf([{ name: 'a "b"\n' }], { format: 'hermes' }).matches(
        '<tool_call>\n{"name": "a \\"b\\"\\n", "arguments": {}}\n</tool_call>',
      ),
    ).toBe(true)
  })
})
