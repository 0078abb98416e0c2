import type { AddedTokenRule } from '../../added-vocab/added-vocabulary.js'
import type { PieceModel } from '../../pipeline/components.js'
import { checkId, checkText, own } from './fields.js'
import { fail, isRecord, type JsonRecord } from './json.js'
import type { AddedTokenJson } from './schema.js'

/** The `added_tokens` of a file, checked against its model. */
export function readAdded(value: unknown, model: PieceModel): AddedTokenRule[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw fail('added_tokens', 'an array', value)
  const contents = new Set<string>()
  const ids = new Set<number>()
  // Not `map`, which passes over holes.
  return Array.from(value as unknown[], (token, index) => {
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

function flag(token: JsonRecord, name: string, where: string, fallback: boolean): boolean {
  const value = own(token, name)
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw fail(`${where}.${name}`, 'true or false', value)
  return value
}
