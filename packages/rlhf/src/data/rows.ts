/** Rows of training data, named as TRL names them, and their validation: a malformed row says which line it is on and what was expected. */
import { RlhfError } from '../errors.js'

export type Role = 'system' | 'user' | 'assistant'

export interface Message {
  readonly role: Role
  readonly content: string
}

/** Where a string may stand, messages may too: a string prompt is one message of the user, a string answer one of the assistant. */
export type Text = string | readonly Message[]

/** A whole conversation; every answer of the assistant is learnt. */
export interface ConversationRow {
  readonly messages: readonly Message[]
}

/** A prompt and the answer to learn. */
export interface CompletionRow {
  readonly prompt: Text
  readonly completion: Text
}

/** Two answers, the better one first. Without a prompt, both are conversations whose common beginning is the prompt. */
export interface PreferenceRow {
  readonly prompt?: Text
  readonly chosen: Text
  readonly rejected: Text
  /** By how much the chosen one is better; used by the reward model where given. */
  readonly margin?: number
}

/** A prompt alone, for rollouts. */
export interface PromptRow {
  readonly prompt: Text
}

/** What rows are to be; `sft` is conversations or prompts with completions. */
export interface RowKinds {
  readonly sft: ConversationRow | CompletionRow
  readonly preference: PreferenceRow
  readonly prompt: PromptRow
}
export type RowKind = keyof RowKinds
export type SftRow = RowKinds['sft']

/** `line 3` of a file, or `row 3`, counted from 1. */
type Place = string

/** Checks one value as a row of a kind. `where` is how errors call it. Errors: ROW. */
export function checkRow<Kind extends RowKind>(value: unknown, kind: Kind, where: Place): RowKinds[Kind] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(where, `is ${show(value)}`, kind)
  checkers[kind](value as Readonly<Record<string, unknown>>, where)
  return value as RowKinds[Kind]
}

/** Checks an array of rows, wherever they came from. Errors: ROW, naming the first bad one; also when there is none. */
export function checkRows<Kind extends RowKind>(values: readonly unknown[], kind: Kind): readonly RowKinds[Kind][] {
  values.forEach((value, i) => checkRow(value, kind, `row ${i + 1}`))
  if (values.length === 0) throw new RlhfError('ROW', `no rows: expected at least one of ${expected[kind]}`)
  return values as readonly RowKinds[Kind][]
}

/** Rows of a JSONL text: one JSON object a line, empty lines skipped. Errors: ROW, naming the line, what it holds and what was expected. */
export function parseRows<Kind extends RowKind>(text: string, kind: Kind): RowKinds[Kind][] {
  const rows: RowKinds[Kind][] = []
  let number = 0
  for (const line of text.split('\n')) {
    const row = parseLine(line, kind, ++number)
    if (row !== undefined) rows.push(row)
  }
  if (rows.length === 0) throw new RlhfError('ROW', `no rows: expected at least one line with ${expected[kind]}`)
  return rows
}

/**
 * The same from pieces of text as they come, such as a web stream through `TextDecoderStream` or a file's, cut anywhere. Rows are given out as their
 * lines end, so a file of any size passes through.
 */
export async function* readRows<Kind extends RowKind>(
  pieces: AsyncIterable<string> | Iterable<string>,
  kind: Kind,
): AsyncGenerator<RowKinds[Kind], void, undefined> {
  let held = ''
  let number = 0
  for await (const piece of pieces) {
    const lines = (held + piece).split('\n')
    held = lines.pop()!
    for (const line of lines) {
      const row = parseLine(line, kind, ++number)
      if (row !== undefined) yield row
    }
  }
  const row = parseLine(held, kind, ++number)
  if (row !== undefined) yield row
}

function parseLine<Kind extends RowKind>(line: string, kind: Kind, number: number): RowKinds[Kind] | undefined {
  const text = number === 1 ? line.replace(/^\uFEFF/, '') : line
  if (text.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RlhfError(
      'ROW',
      `line ${number} is not JSON (${cause instanceof Error ? cause.message : String(cause)}); expected one JSON object a line: ${expected[kind]}`,
      { cause },
    )
  }
  return checkRow(value, kind, `line ${number}`)
}

const expected: Record<RowKind, string> = {
  sft: '{"messages": [{"role", "content"}, …]} or {"prompt", "completion"}',
  preference: '{"prompt", "chosen", "rejected"}, or {"chosen", "rejected"} with conversations that begin alike',
  prompt: '{"prompt"}',
}

const roles: readonly string[] = ['system', 'user', 'assistant']

const malformed = (where: Place, what: string, kind: RowKind): RlhfError =>
  new RlhfError('ROW', `${where} ${what}; expected ${expected[kind]}`)

type Checker = (row: Readonly<Record<string, unknown>>, where: Place) => void

const checkers: Record<RowKind, Checker> = {
  sft(row, where) {
    if (row['messages'] !== undefined) {
      checkMessages(row['messages'], 'messages', where, 'sft')
      if (!(row['messages'] as readonly Message[]).some(({ role }) => role === 'assistant'))
        throw malformed(where, 'has no message of the assistant, so nothing to learn', 'sft')
      return
    }
    checkText(row, 'prompt', where, 'sft')
    checkText(row, 'completion', where, 'sft')
  },
  preference(row, where) {
    if (row['prompt'] !== undefined) checkText(row, 'prompt', where, 'preference')
    for (const side of ['chosen', 'rejected']) checkText(row, side, where, 'preference')
    const { margin } = row
    if (margin !== undefined && (typeof margin !== 'number' || !Number.isFinite(margin)))
      throw malformed(where, `has margin ${show(margin)}, not a number`, 'preference')
    if (JSON.stringify(row['chosen']) === JSON.stringify(row['rejected']))
      throw malformed(where, 'has the same answer as chosen and as rejected, which prefers nothing', 'preference')
  },
  prompt(row, where) {
    checkText(row, 'prompt', where, 'prompt')
  },
}

function checkText(row: Readonly<Record<string, unknown>>, field: string, where: Place, kind: RowKind): void {
  const value = row[field]
  if (typeof value === 'string') {
    if (value === '') throw malformed(where, `has an empty ${field}`, kind)
    return
  }
  if (value === undefined) throw malformed(where, `has no ${field} (its fields: ${Object.keys(row).join(', ') || 'none'})`, kind)
  checkMessages(value, field, where, kind)
}

function checkMessages(value: unknown, field: string, where: Place, kind: RowKind): void {
  if (!Array.isArray(value)) throw malformed(where, `has ${field} ${show(value)}, neither text nor messages`, kind)
  if (value.length === 0) throw malformed(where, `has no messages in ${field}`, kind)
  value.forEach((message: unknown, i) => {
    const { role, content } = (message ?? {}) as Partial<Record<'role' | 'content', unknown>>
    if (typeof role !== 'string' || !roles.includes(role))
      throw malformed(where, `has the role ${show(role)} in ${field}[${i}], not one of ${roles.join(', ')}`, kind)
    if (typeof content !== 'string') throw malformed(where, `has the content ${show(content)} in ${field}[${i}], not text`, kind)
  })
}

function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** The conversation's beginning and its end that is learnt or judged. */
export interface Turns {
  readonly prompt: readonly Message[]
  readonly completion: readonly Message[]
}

const asMessages = (text: Text, role: Role): readonly Message[] => (typeof text === 'string' ? [{ role, content: text }] : text)

/** A row as messages: of a whole conversation, everything up to the first answer is the prompt. */
export function turnsOf(row: SftRow): Turns {
  if (!('messages' in row)) return { prompt: asMessages(row.prompt, 'user'), completion: asMessages(row.completion, 'assistant') }
  const first = row.messages.findIndex(({ role }) => role === 'assistant')
  return { prompt: row.messages.slice(0, first), completion: row.messages.slice(first) }
}

/** Both answers of a preference row behind their prompt. Errors: ROW when conversations without a prompt have no common beginning. */
export function pairOf(row: PreferenceRow, where: Place): { readonly chosen: Turns; readonly rejected: Turns } {
  const [chosen, rejected] = [asMessages(row.chosen, 'assistant'), asMessages(row.rejected, 'assistant')]
  if (row.prompt !== undefined) {
    const prompt = asMessages(row.prompt, 'user')
    return { chosen: { prompt, completion: chosen }, rejected: { prompt, completion: rejected } }
  }
  let same = 0
  while (same < Math.min(chosen.length, rejected.length) && alike(chosen[same]!, rejected[same]!)) same++
  if (same === Math.min(chosen.length, rejected.length))
    throw malformed(where, 'has one conversation that is the beginning of the other, so no two answers', 'preference')
  if (chosen[same]!.role !== 'assistant' || rejected[same]!.role !== 'assistant')
    throw malformed(where, `has conversations that part at message ${same + 1}, which is not an answer of the assistant`, 'preference')
  const prompt = chosen.slice(0, same)
  return { chosen: { prompt, completion: chosen.slice(same) }, rejected: { prompt, completion: rejected.slice(same) } }
}

const alike = (a: Message, b: Message): boolean => a.role === b.role && a.content === b.content
