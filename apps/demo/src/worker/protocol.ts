/**
 * What the page and its one worker say to each other. A call has a name, an input, events while it runs, and an output; the page may
 * abort it at any time. Everything is plain data.
 */
import type { AlignCalls } from './align-calls.js'
import type { ChatCalls } from './chat-calls.js'
import type { DocumentsCalls } from './documents-calls.js'
import type { TokenizerCalls } from './tokenizer-calls.js'
import type { TrainCalls } from './train-calls.js'

export interface Call<Input, Event, Output> {
  readonly input: Input
  readonly event: Event
  readonly output: Output
}

/** Where the models compute. */
export interface DeviceFacts {
  /** Such as 'onnxruntime-web 1.30.0 (WebAssembly), 2 threads'. */
  readonly description: string
  readonly threads: number
  /** Whether the host's headers let threads share memory. */
  readonly isolated: boolean
}

interface DeviceCalls {
  'device.describe': Call<Record<string, never>, never, DeviceFacts>
}

export type Calls = DeviceCalls & TokenizerCalls & TrainCalls & ChatCalls & AlignCalls & DocumentsCalls
export type CallName = keyof Calls
export type InputOf<Name extends CallName> = Calls[Name]['input']
export type EventOf<Name extends CallName> = Calls[Name]['event']
export type OutputOf<Name extends CallName> = Calls[Name]['output']

export interface TaskContext<Event> {
  readonly signal: AbortSignal
  emit(event: Event): void
}

/** The worker's side of some calls. */
export type Tasks<Some> = {
  readonly [Name in keyof Some]: Some[Name] extends Call<infer Input, infer Event, infer Output>
    ? (input: Input, context: TaskContext<Event>) => Promise<Output>
    : never
}

export type ToWorker =
  | { readonly kind: 'call'; readonly id: number; readonly name: CallName; readonly input: unknown }
  | { readonly kind: 'abort'; readonly id: number }

export type FromWorker =
  | { readonly kind: 'event'; readonly id: number; readonly event: unknown }
  | { readonly kind: 'output'; readonly id: number; readonly output: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: CallFailure }

/** An error as it crosses over: its code names the kind, its message is for people. */
export interface CallFailure {
  readonly name: string
  readonly message: string
  readonly code?: string
}
