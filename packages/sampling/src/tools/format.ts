/**
 * How models write calls of tools. Each format is described once: the grammar is made from the description, and the parser reads by it, so that what the one allows the other reads.
 */
import { SamplingError } from '../errors.js'

/** What a call consists of, in order. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  /** White space: the grammar writes one of `forms`, and any is read. */
  | { readonly kind: 'space'; readonly forms: readonly string[] }
  /** The name without quotes, up to one of the characters of `ends`, which begin what follows. */
  | { readonly kind: 'name'; readonly ends: string }
  /** What tells a call from others: nine letters and digits. */
  | { readonly kind: 'id' }
  /** One of several; those that do not begin with `text` are taken where no other is. The grammar writes those before `read` only. */
  | { readonly kind: 'either'; readonly write: readonly (readonly Part[])[]; readonly read?: readonly (readonly Part[])[] }
  /** An object of JSON with the name, the arguments and perhaps an id at these keys. */
  | { readonly kind: 'object'; readonly name: string; readonly arguments: string; readonly id?: string }
  | { readonly kind: 'arguments'; readonly dialect: Dialect }

/** How arguments are written. */
export type Dialect =
  | { readonly kind: 'json' }
  /** Objects and lists with keys without quotes, and strings between two times `quote`, in which nothing is escaped. */
  | { readonly kind: 'bare'; readonly quote: string }
  /** Each between tags with its name, and a tag behind them all; strings as they are, all else as JSON. */
  | { readonly kind: 'tags' }

export interface Format {
  /** What calls begin with: text in which it does not occur is no call. */
  readonly marker: string
  /** Calls may also begin with this, which is part of them, and without the marker, where nothing but white space comes before. */
  readonly atStart?: string
  /** A call, behind the marker. */
  readonly call: readonly Part[]
  /** Calls behind one marker: what comes before, between and behind them. Where there is no list each call has its own marker. */
  readonly list?: { readonly open: readonly Part[]; readonly separator: string; readonly close: readonly Part[] }
  /** White space between a call and the next marker. */
  readonly between: string
}

/** White space of JSON, and what others count as such. */
export const BLANK = /\s/

const text = (one: string): Part => ({ kind: 'text', text: one })
const space = (...forms: readonly string[]): Part => ({ kind: 'space', forms })
const json: Part = { kind: 'arguments', dialect: { kind: 'json' } }

const FORMATS = {
  /**
   * NousResearch's Hermes 2 Pro and later, Qwen 2.5 and Qwen 3: `<tool_call>\n{"name": "f", "arguments": {…}}\n</tool_call>`, calls on lines of their own.
   * Source: chat templates of NousResearch/Hermes-2-Pro-Llama-3-8B, Qwen/Qwen2.5-7B-Instruct and Qwen/Qwen3-8B.
   */
  hermes: {
    marker: '<tool_call>',
    call: [space('\n'), { kind: 'object', name: 'name', arguments: 'arguments' }, space('\n'), text('</tool_call>')],
    between: '\n',
  },
  /**
   * Llama 3.1 and 3.2: `{"name": "f", "parameters": {…}}` as the whole answer, or behind `<|python_tag|>`. The models call one function at a time; several are separated by semicolons, as vLLM reads them.
   * Source: "Llama 3.1", Model Cards and Prompt formats, llama.com; chat template of meta-llama/Llama-3.1-8B-Instruct; vLLM's docs, "Tool Calling", llama3_json.
   */
  'llama3.1': {
    marker: '<|python_tag|>',
    atStart: '{',
    call: [{ kind: 'object', name: 'name', arguments: 'parameters' }],
    list: { open: [], separator: '; ', close: [] },
    between: '',
  },
  /**
   * Llama 3.1, functions that the user defines in the system message: `<function=f>{…}</function>`.
   * Source: "User-defined Custom tool calling" in meta-llama/llama-models, models/llama3_1/prompt_format.md.
   */
  'llama3.1-function': {
    marker: '<function=',
    call: [{ kind: 'name', ends: '>' }, text('>'), json, text('</function>')],
    between: '',
  },
  /**
   * Mistral's models up to tokenizer v7: `[TOOL_CALLS][{"name": "f", "arguments": {…}}, …]`, perhaps with an id.
   * Source: mistral-common's docs; chat template of mistralai/Mistral-7B-Instruct-v0.3 (with a space behind the marker) and Mistral-Nemo-Instruct-2407 (without).
   */
  mistral: {
    marker: '[TOOL_CALLS]',
    call: [{ kind: 'object', name: 'name', arguments: 'arguments', id: 'id' }],
    list: { open: [space('', ' '), text('[')], separator: ', ', close: [text(']')] },
    between: '',
  },
  /**
   * Mistral's models from tokenizer v11 on: `[TOOL_CALLS]f[ARGS]{…}`, in v11 itself with `[CALL_ID]` and nine letters and digits between them. Where special tokens are left out of the text, the arguments
   * follow the name.
   * Source: chat templates of mistralai/Mistral-Small-3.2-24B-Instruct-2506 and mistralai/Devstral-Small-2-24B-Instruct-2512.
   */
  'mistral-v11': {
    marker: '[TOOL_CALLS]',
    call: [
      { kind: 'name', ends: '[{' },
      { kind: 'either', write: [[text('[ARGS]')], [text('[CALL_ID]'), { kind: 'id' }, text('[ARGS]')]], read: [[]] },
      json,
    ],
    between: '',
  },
  /**
   * FunctionGemma: `<start_function_call>call:f{key:<escape>text<escape>,n:1}<end_function_call>`.
   * Source: "FunctionGemma formatting and best practices", ai.google.dev/gemma/docs/functiongemma, for calls and strings; the macro `format_argument` of Gemma 4's template, for what that page does not show: keys in
   * alphabetical order, lists in brackets, objects in braces, and true, false and numbers as they are.
   */
  'function-gemma': {
    marker: '<start_function_call>',
    call: [
      text('call:'),
      { kind: 'name', ends: '{' },
      { kind: 'arguments', dialect: { kind: 'bare', quote: '<escape>' } },
      text('<end_function_call>'),
    ],
    between: '',
  },
  /** Gemma 4: as FunctionGemma, with `<|tool_call>`, `<tool_call|>` and `<|"|>`. Source: chat template of google/gemma-4-E2B-it. */
  'gemma-4': {
    marker: '<|tool_call>',
    call: [
      text('call:'),
      { kind: 'name', ends: '{' },
      { kind: 'arguments', dialect: { kind: 'bare', quote: '<|"|>' } },
      text('<tool_call|>'),
    ],
    between: '',
  },
  /**
   * Qwen3-Coder: `<tool_call>\n<function=f>\n<parameter=key>\nvalue\n</parameter>\n</function>\n</tool_call>`.
   * Source: chat template of Qwen/Qwen3-Coder-30B-A3B-Instruct.
   */
  'qwen3-coder': {
    marker: '<tool_call>',
    call: [
      space('\n'),
      text('<function='),
      { kind: 'name', ends: '>' },
      text('>'),
      space('\n'),
      { kind: 'arguments', dialect: { kind: 'tags' } },
      space('\n'),
      text('</tool_call>'),
    ],
    between: '\n',
  },
} satisfies Record<string, Format>

/** The formats of calls that are known, by the models that write them. */
export type FormatName = keyof typeof FORMATS

/** Names of the formats. */
export const toolFormats: readonly FormatName[] = Object.keys(FORMATS) as FormatName[]

/** Throws `TOOL` for a format that is not known. */
export function formatOf(name: FormatName): Format {
  if (!Object.hasOwn(FORMATS, name))
    throw new SamplingError('TOOL', `There is no format of calls ${JSON.stringify(name)}; those known are ${toolFormats.join(', ')}`)
  return FORMATS[name]
}
