import type { AddedTokenRule } from '../../added-vocab/added-vocabulary.js'
import type { PieceModel } from '../../pipeline/components.js'
import { checkDense, checkId, checkText, own } from './fields.js'
import { fail, field, isRecord, unsupported, type JsonRecord } from './json.js'
import type { AddedTokenJson } from './schema.js'

/** Tokens have a dozen characters, and files some thousands of them; all are looked for at once, which takes memory in proportion. */
const MAX_UNITS = 2 ** 20

/** The `added_tokens` of a file, checked against its model. */
export function readAdded(value: unknown, model: PieceModel): AddedTokenRule[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw fail('added_tokens', 'an array', value)
  // Holes and what is no token are told below.
  const units = (value as unknown[]).reduce<number>((sum, token) => sum + lengthOf(token), 0)
  if (units > MAX_UNITS) throw unsupported(`added_tokens of ${units} characters together; at most ${MAX_UNITS} are taken`)
  const contents = new Set<string>()
  const ids = new Set<number>()
  // Not `map`, which passes over holes.
  const tokens = Array.from(value as unknown[], (token, index) => {
    const where = `added_tokens[${index}]`
    if (!isRecord(token)) throw fail(where, 'an object', token)
    const id = checkId(own(token, 'id'), `${where}.id`)
    const content = checkText(own(token, 'content'), `${where}.content`)
    if (content === '') throw fail(`${where}.content`, 'a string that is not empty', content)
    if (contents.has(content)) throw fail(`${where}.content`, 'a token that is not listed before', content)
    contents.add(content)
    const other = model.tokenToId(content)
    if (other !== undefined && other !== id) {
      throw fail(`the id of added token ${JSON.stringify(content)}`, `${other} as in model.vocab`, id)
    }
    if (ids.has(id) || (other === undefined && model.idToToken(id) !== undefined)) {
      throw fail(`the id of added token ${JSON.stringify(content)}`, 'an id that is free', id)
    }
    ids.add(id)
    const special = flag(token, 'special', where, false)
    return {
      id,
      content,
      special,
      singleWord: flag(token, 'single_word', where, false),
      lstrip: flag(token, 'lstrip', where, false),
      rstrip: flag(token, 'rstrip', where, false),
      normalized: flag(token, 'normalized', where, !special),
    }
  })
  checkDense(
    tokens.reduce((highest, { id }) => Math.max(highest, id), 0),
    model.size + tokens.length,
    'added_tokens',
  )
  return tokens
}

export const writeAdded = (tokens: readonly AddedTokenRule[]): AddedTokenJson[] =>
  tokens
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, content, singleWord, lstrip, rstrip, normalized, special }) => ({
      id,
      content,
      single_word: singleWord,
      lstrip,
      rstrip,
      normalized,
      special,
    }))

function lengthOf(token: unknown): number {
  const content = field(token, 'content')
  return typeof content === 'string' ? content.length : 0
}

function flag(token: JsonRecord, name: string, where: string, fallback: boolean): boolean {
  const value = own(token, name)
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw fail(`${where}.${name}`, 'true or false', value)
  return value
}
