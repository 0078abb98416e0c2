import { TokenizerError } from '../errors.js'

/** Unicode's forms make at most 18 units of one, bytes written as characters 4; what is added to short texts counts little. */
const TIMES = 32
const MORE = 1 << 16

/**
 * Refuses steps of a file that make texts ever longer: a sequence of replacements that each double a text would exhaust memory.
 *
 * @param what the steps, for the message
 * @throws TokenizerError `UNSUPPORTED`
 */
export function checkGrowth(what: string, before: number, after: number): void {
  if (after <= before * TIMES + MORE) return
  throw new TokenizerError(
    'UNSUPPORTED',
    `The ${what} makes ${after} characters of ${before}; a file that makes a text more than ${TIMES} times as long is not run`,
  )
}
