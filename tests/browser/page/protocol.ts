/** How the test runner calls checks in a page, and the page in its worker. */
import type { Checks } from './checks.js'

export type CheckName = keyof Checks
export type CheckInput<Name extends CheckName> = Parameters<Checks[Name]>[0]
export type CheckOutput<Name extends CheckName> = Awaited<ReturnType<Checks[Name]>>

export type Place = 'page' | 'worker'

/** What the page puts on its global object. */
export interface CheckRunner {
  <Name extends CheckName>(place: Place, name: Name, input: CheckInput<Name>): Promise<CheckOutput<Name>>
}

export interface CheckRequest {
  readonly id: number
  readonly name: CheckName
  readonly input: unknown
}

export interface CheckReply {
  readonly id: number
  readonly output?: unknown
  readonly error?: string
}
