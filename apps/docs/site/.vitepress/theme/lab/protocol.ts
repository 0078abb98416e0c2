/** What a page and its worker say to each other: plain data. The calls themselves are typed by the worker's table. */
import type { LabCalls } from './calls.js'

export type CallName = keyof LabCalls
export type CallInput<Name extends CallName> = Parameters<LabCalls[Name]>[0]
export type CallOutput<Name extends CallName> = Awaited<ReturnType<LabCalls[Name]>>
/** What a call reports while it runs. */
export type CallEvent<Name extends CallName> = Parameters<LabCalls[Name]>[1] extends CallContext<infer Event> ? Event : never

/** What a call is given beside its input. */
export interface CallContext<Event> {
  readonly signal: AbortSignal
  /** Sends something to the page now. */
  readonly emit: (event: Event) => void
}

export type LabRequest = { readonly id: number; readonly name: CallName; readonly input: unknown } | { readonly cancel: number }

export type LabReply =
  | { readonly id: number; readonly kind: 'event'; readonly event: unknown }
  | { readonly id: number; readonly kind: 'done'; readonly output: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly message: string; readonly aborted: boolean }
