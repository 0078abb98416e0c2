import { createHash, timingSafeEqual } from 'node:crypto'
import { TransformerError } from '../../errors.js'
import { ApiError } from '../api-error.js'

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()

/**
 * Looks at `Authorization: Bearer …`. Digests are compared, all of them and in constant time: how long it takes tells nothing about a key. Errors of
 * the check: ApiError 401; OPTION for keys that are empty.
 */
export function keyCheck(keys: readonly string[] | undefined): (authorization: string | undefined) => void {
  if (keys === undefined) return () => {}
  if (keys.length === 0 || keys.some((key) => typeof key !== 'string' || key.trim() === ''))
    throw new TransformerError('OPTION', 'apiKeys must be texts that are not empty; leave it out for a server that anybody may use')
  const known = keys.map(digest)
  return (authorization) => {
    const given = digest(/^Bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? '')
    let found = 0
    for (const key of known) found |= Number(timingSafeEqual(key, given))
    if (found === 0)
      throw new ApiError(
        authorization === undefined ? 'no API key was given; send it as Authorization: Bearer KEY' : 'the API key is not known here',
        {
          status: 401,
          type: 'authentication_error',
          code: 'invalid_api_key',
        },
      )
  }
}
