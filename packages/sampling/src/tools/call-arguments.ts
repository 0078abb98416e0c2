/** The arguments of a call, whatever they are written in, as JSON that arrives. */
import type { ModelJson } from '@tesserae/core'
import { JsonError } from '../json/json-error.js'
import { PartialJson } from '../json/partial.js'

export type JsonObject = { [key: string]: ModelJson }

/** A text that does not go on as a call does. */
export class Malformed extends Error {
  constructor(
    readonly reason: string,
    /** The character of the piece that does not belong to the call. */
    readonly at: number,
  ) {
    super(reason)
  }
}

/** Reads part of a call, over several pieces of text. */
export interface Reader {
  /** Reads from `at` on, and gives where it stopped. Throws {@link Malformed}. */
  read(text: string, at: number): number
  /** Nothing of what follows belongs to it. */
  readonly isDone: boolean
}

/** Reads JSON by a reader of it, with the place of what is none. */
export function readJson(json: PartialJson<unknown>, text: string, at: number): number {
  const before = json.length
  try {
    return json.read(text, at)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new Malformed(error.message, at + error.position - before)
  }
}

export class CallArguments {
  readonly json = new PartialJson<JsonObject>()
  /** JSON that has come since it was last taken. */
  private delta = ''
  hasBegun = false

  get isComplete(): boolean {
    return this.json.isComplete
  }

  /** Takes what is JSON already. */
  readJson(text: string, at: number): number {
    if (!this.hasBegun && text[at] !== '{') throw new Malformed('arguments are an object', at)
    this.hasBegun = true
    let end = at
    try {
      return (end = readJson(this.json, text, at))
    } catch (error) {
      if (error instanceof Malformed) end = error.at
      throw error
    } finally {
      this.delta += text.slice(at, end)
    }
  }

  /** Takes JSON that was made of what came. @param at what it was made of, for errors */
  write(json: string, at: number): void {
    if (json === '') return
    this.hasBegun = true
    try {
      this.json.push(json)
    } catch (error) {
      if (!(error instanceof JsonError)) throw error
      throw new Malformed('the arguments go on otherwise', at)
    }
    this.delta += json
  }

  /** JSON that has come since. */
  take(): string {
    const { delta } = this
    this.delta = ''
    return delta
  }
}

/** Part of a string of JSON. */
export const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)

const NAMES: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null' }

/** A value without quotes as JSON: a number, a name of JSON or Python, else text. */
export function bareAsJson(text: string): string {
  if (Object.hasOwn(NAMES, text)) return NAMES[text]!
  return /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)$/.test(text) ? text : JSON.stringify(text)
}
