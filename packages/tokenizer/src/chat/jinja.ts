/** The parts of `@huggingface/jinja` (an optional peer dependency) that are used, and how it is loaded. */
import { TokenizerError } from '../errors.js'

/** A value of a running template. Its `value` is a primitive, an array of values or a map of them. */
export interface JinjaValue {
  type: string
  readonly value: unknown
}

export interface JinjaNode {
  readonly type: string
}

export interface JinjaScope {
  set(name: string, value: unknown): JinjaValue
}

export interface JinjaInterpreter {
  run(program: JinjaNode): JinjaValue
  evaluate(node: JinjaNode | undefined, scope: JinjaScope): JinjaValue
}

export interface Jinja {
  readonly Environment: new () => JinjaScope
  readonly Interpreter: new (scope: JinjaScope) => JinjaInterpreter
  tokenize(source: string, options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean }): unknown
  parse(tokens: unknown): JinjaNode
}

/** @throws TokenizerError `UNSUPPORTED` when the package is not installed */
export async function loadJinja(): Promise<Jinja> {
  try {
    return (await import('@huggingface/jinja')) as unknown as Jinja
  } catch (cause) {
    throw new TokenizerError(
      'UNSUPPORTED',
      'Chat templates need the package @huggingface/jinja, which is not installed: npm install @huggingface/jinja',
      {
        cause,
      },
    )
  }
}
