/** Who decodes in a page. */
export type Runtime = 'ours' | 'wllama' | 'transformers.js'

export interface Task {
  readonly runtime: Runtime
  /** Address of the GGUF file, or of the folder that holds the ONNX model's. */
  readonly model: string
  /** transformers.js's name of the model's types. */
  readonly dtype?: string
  readonly threads: number
  /** Text that each turn begins with. */
  readonly prompt: string
}

export interface Loaded {
  /** Milliseconds until it could be asked, the file being in the page already. */
  readonly milliseconds: number
  readonly description: string
}

export interface Turn {
  /** Milliseconds from the first token to the last. */
  readonly milliseconds: number
  /** Tokens in that time. */
  readonly tokens: number
  /** Until the first token. */
  readonly first: number
  readonly text: string
}

export interface Contestant {
  turn(tokens: number): Promise<Turn>
}

/** What the page puts on its global object. */
export interface Page {
  load(task: Task): Promise<Loaded>
  turn(tokens: number): Promise<Turn>
}

/** Times tokens as they come. */
export async function timed(tokens: AsyncIterable<string>): Promise<Turn> {
  const start = performance.now()
  let first = 0
  let last = 0
  let count = 0
  let text = ''
  for await (const part of tokens) {
    last = performance.now()
    if (count++ === 0) first = last
    text += part
  }
  return { milliseconds: last - first, tokens: count - 1, first: first - start, text }
}
