/** In which format a model calls tools, by the template of its chats. */
import type { ToolFormat } from '@tesserae/sampling/tools'

/** Signs of formats in templates, those first that others are part of. */
const signs: readonly (readonly [ToolFormat, (template: string) => boolean])[] = [
  ['function-gemma', (template) => template.includes('<start_function_call>')],
  ['gemma-4', (template) => template.includes('<|tool_call>')],
  ['mistral-v11', (template) => template.includes('[TOOL_CALLS]') && template.includes('[ARGS]')],
  ['mistral', (template) => template.includes('[TOOL_CALLS]')],
  ['qwen3-coder', (template) => template.includes('<tool_call>') && template.includes('<function=') && template.includes('<parameter=')],
  ['hermes', (template) => template.includes('<tool_call>')],
  ['llama3.1', (template) => template.includes('<|python_tag|>') || /"name": .*"parameters": /s.test(template)],
  ['llama3.1-function', (template) => template.includes('<function=')],
]

/** The format that a template asks for; undefined where it knows no tools. */
export const toolFormatOf = (template: string): ToolFormat | undefined =>
  /\btools\b/.test(template) ? signs.find(([, isSign]) => isSign(template))?.[0] : undefined

/** Special tokens that calls are made of, in one format or another: they stay in the text that calls are read from. */
export const callTokens: readonly string[] = [
  '<tool_call>',
  '</tool_call>',
  '[TOOL_CALLS]',
  '[ARGS]',
  '[CALL_ID]',
  '<|python_tag|>',
  '<start_function_call>',
  '<end_function_call>',
  '<escape>',
  '<|tool_call>',
  '<tool_call|>',
  '<|"|>',
]

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

/** An id of a call: nine letters and digits, which is what Mistral's templates ask for and others take. */
export function newCallId(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(9))
  return Array.from(numbers, (number) => letters[number % letters.length]).join('')
}
