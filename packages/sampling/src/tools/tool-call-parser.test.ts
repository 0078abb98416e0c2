import { describe, expect, expectTypeOf, it } from 'vitest'
import { codeOf } from '../__fixtures__/helpers.js'
import type { FormatName } from './format.js'
import { readToolCalls, toolCallParser, type ToolCallEvent } from './tool-call-parser.js'

/** Events in short, each with what it had when it came. */
function eventsOf(format: FormatName, pieces: readonly string[]): string[] {
  const parser = toolCallParser(undefined, { format })
  const short = (event: ToolCallEvent): string => {
    switch (event.type) {
      case 'text':
        return `text ${JSON.stringify(event.text)}`
      case 'call-start':
        return `start ${event.index} ${event.id} ${event.name}`
      case 'arguments':
        return `more ${event.index} ${event.delta} ${JSON.stringify(event.value)}`
      case 'call-end':
        return `end ${event.index} ${event.name} ${JSON.stringify(event.arguments)}`
      default:
        return `broken ${event.index} ${event.name} ${JSON.stringify(event.arguments)}: ${event.reason}`
    }
  }
  return [...pieces.flatMap((piece) => parser.push(piece).map(short)), ...parser.end().map(short)]
}

describe('a parser of calls', () => {
  it('tells what comes as it comes', () => {
    expect(
      eventsOf('hermes', [
        'Let me see.\n<tool',
        '_call>\n{"name": "wea',
        'ther", "argu',
        'ments": {"city": "Pa',
        'ris", "days": 1',
        '2}}\n</tool_',
        'call>\n',
      ]),
    ).toEqual([
      'text "Let me see.\\n"',
      'start 0 call_0 weather',
      'more 0 {"city": "Pa {"city":"Pa"}',
      'more 0 ris", "days": 1 {"city":"Paris"}',
      'more 0 2} {"city":"Paris","days":12}',
      'end 0 weather {"city":"Paris","days":12}',
    ])
    expect(
      eventsOf('function-gemma', [
        '<start_function_call>call:f{city:<esc',
        'ape>Pa"ris<esca',
        'pe>,list:[1,{a:tr',
        'ue}]}<end_function_call>',
      ]),
    ).toEqual([
      'start 0 call_0 f',
      'more 0 {"city": {}',
      'more 0 "Pa\\"ris {"city":"Pa\\"ris"}',
      'more 0 ","list":[1,{"a": {"city":"Pa\\"ris","list":[1,{}]}',
      'more 0 true}]} {"city":"Pa\\"ris","list":[1,{"a":true}]}',
      'end 0 f {"city":"Pa\\"ris","list":[1,{"a":true}]}',
    ])
    expect(eventsOf('mistral-v11', ['[TOOL_CALLS]f[CALL_', 'ID]abcdefghi[ARGS', ']{"a":', '1}[TOOL', '_CALLS]g[ARGS]{}'])).toEqual([
      'start 0 abcdefghi f',
      'more 0 {"a": {}',
      'more 0 1} {"a":1}',
      'end 0 f {"a":1}',
      'start 1 call_1 g',
      'more 1 {} {}',
      'end 1 g {}',
    ])
  })

  it('takes what models write besides', () => {
    const read = (format: FormatName, text: string): unknown => {
      const { calls, broken, text: rest } = readToolCalls(text, undefined, { format })
      expect([broken, rest]).toEqual([[], ''])
      return calls.map((call) => [call.name, call.arguments])
    }
    expect(
      read('hermes', '<tool_call>{"arguments": {"a": 1}, "id": 3, "name": "f"}</tool_call> \n\n<tool_call>{"name":"g"}</tool_call>'),
    ).toEqual([
      ['f', { a: 1 }],
      ['g', {}],
    ])
    expect(read('hermes', '<tool_call>\n{"name": "f", "arguments": {"a": {}}\n</tool_call>')).toEqual([['f', { a: {} }]])
    expect(read('hermes', '<tool_call>\n{"name": "f", "arguments": {}}')).toEqual([['f', {}]])
    expect(read('llama3.1', ' \n{"type": "function", "name": "f", "parameters": {"a": [1]}} ; {"name": "g", "parameters": {}}')).toEqual([
      ['f', { a: [1] }],
      ['g', {}],
    ])
    expect(read('mistral', '[TOOL_CALLS]\n[ {"name": "f", "arguments": {}} , {"name": "g", "arguments": {}} ]')).toEqual([
      ['f', {}],
      ['g', {}],
    ])
    expect(read('mistral-v11', '[TOOL_CALLS]f{"a": 1}[TOOL_CALLS]g[ARGS] {}')).toEqual([
      ['f', { a: 1 }],
      ['g', {}],
    ])
    expect(
      read(
        'function-gemma',
        '<start_function_call> call:f{ <escape>a<escape>: -1.5e3 , b:None,c:some text ,d:{},e:[]} <end_function_call>',
      ),
    ).toEqual([['f', { a: -1500, b: null, c: 'some text', d: {}, e: [] }]])
    expect(
      read(
        'qwen3-coder',
        '<tool_call><function=f><parameter=a>True</parameter><parameter=b>\n{"x": "</parameter>"}\n</parameter>\n<parameter=c>5 apples</parameter></function></tool_call>',
      ),
    ).toEqual([['f', { a: true, b: { x: '</parameter>' }, c: '5 apples' }]])
    const tools = [
      { name: 'f', parameters: { properties: { a: { type: 'string' }, b: { enum: ['1'] }, c: { type: 'integer' } } } },
    ] as const
    const typed =
      '<tool_call>\n<function=f>\n<parameter=a>\n\n007\n\n</parameter>\n<parameter=b>\n1\n</parameter>\n<parameter=c>\n1\n</parameter>\n</function>\n</tool_call>'
    expect(readToolCalls(typed, tools, { format: 'qwen3-coder' }).calls[0]!.arguments).toEqual({ a: '\n007\n', b: '1', c: 1 })
  })

  it('gives back as text what is no call, and says what is broken', () => {
    expect(eventsOf('hermes', ['<tool_call>\n{"name": 1}</tool_call> x'])).toEqual(['text "<tool_call>\\n{\\"name\\": 1}</tool_call> x"'])
    expect(eventsOf('hermes', ['<tool_call><tool_call>{"name":"f","arguments":{}}</tool_call>'])).toEqual([
      'text "<tool_call>"',
      'start 0 call_0 f',
      'more 0 {} {}',
      'end 0 f {}',
    ])
    expect(eventsOf('llama3.1', ['{"answer": 42', '}'])).toEqual(['text "{\\"answer\\": 42}"'])
    expect(eventsOf('llama3.1', ['<|python_tag|>print(1)'])).toEqual(['text "<|python_tag|>print(1)"'])
    expect(eventsOf('llama3.1', ['I see {"name": "f", "parameters": {}}'])).toEqual([
      'text "I see {\\"name\\": \\"f\\", \\"parameters\\": {}}"',
    ])
    expect(eventsOf('hermes', ['<tool_call>{"name":"f","arguments":{"a":"x', 'y"', ' 1}}</tool_call>'])).toEqual([
      'start 0 call_0 f',
      'more 0 {"a":"x {"a":"x"}',
      'more 0 y" {"a":"xy"}',
      'more 0   {"a":"xy"}',
      'broken 0 f {"a":"xy"}: The text is no JSON: after 10 characters there is "1" where a comma or the end of the list or object is to come',
      'text "1}}</tool_call>"',
    ])
    expect(eventsOf('hermes', ['<tool_call>{"name":"f","arguments":{"a":"x'])).toEqual([
      'start 0 call_0 f',
      'more 0 {"a":"x {"a":"x"}',
      'broken 0 f {"a":"x"}: the text ends inside of the call',
    ])
    expect(eventsOf('hermes', ['<tool_call>{"name":"f","arguments":"x"}</tool_call>'])).toEqual([
      'text "<tool_call>{\\"name\\":\\"f\\",\\"arguments\\":\\"x\\"}</tool_call>"',
    ])
    expect(eventsOf('hermes', ['  a <tool'])).toEqual(['text "  a "', 'text "<tool"'])
  })

  it('knows the tools it is given', () => {
    const tools = [{ name: 'a' }, { type: 'function', function: { name: 'b' } }] as const
    const parser = toolCallParser(tools, { format: 'hermes', id: (index) => `id${index}` })
    const events = parser.push(
      '<tool_call>{"name":"c","arguments":{"x":1}}</tool_call>\n<tool_call>{"name":"b","arguments":{}}</tool_call>',
    )
    expect(events).toEqual([
      { type: 'call-broken', index: 0, id: 'id0', name: 'c', arguments: { x: 1 }, reason: 'there is no tool called "c"' },
      { type: 'call-start', index: 1, id: 'id1', name: 'b' },
      { type: 'arguments', index: 1, delta: '{}', value: {} },
      { type: 'call-end', index: 1, id: 'id1', name: 'b', arguments: {} },
    ])
    expectTypeOf(events).toEqualTypeOf<ToolCallEvent<'a' | 'b'>[]>()
    expect(codeOf(() => toolCallParser([{ name: 'a' }, { name: 'a' }], { format: 'hermes' }))).toBe('TOOL')
    expect(codeOf(() => toolCallParser(undefined, { format: 'x' as 'hermes' }))).toBe('TOOL')
  })

  it('takes long texts, whole and in single characters', () => {
    const long = 'word '.repeat(20_000)
    const text = `${long}<tool_call>{"name":"f","arguments":{"a":"${long}"}}</tool_call>`
    for (const pieces of [[text], text.split('')]) {
      const parser = toolCallParser(undefined, { format: 'hermes' })
      const events = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]
      expect(events.at(-1)).toMatchObject({ type: 'call-end', arguments: { a: long } })
    }
    const strings = `<start_function_call>call:f{a:[${'<escape>x<escape>,'.repeat(20_000)}1]}<end_function_call>`
    expect(readToolCalls(strings, undefined, { format: 'function-gemma' }).calls[0]!.arguments['a']).toHaveLength(20_001)
  })
})
