import { TokenizerError } from '../errors.js'

/** Unicode's forms make at most 18 units of one, bytes written as characters 4; what is added to short texts counts little. */
const TIMES = 32
const MORE = 1 << 16
/** Replacements of a file make a sign of a character or of a few, and seldom of all that a text has. */
export const TIMES_REPLACED = 8

/**
 * Refuses steps of a file that make texts ever longer: a sequence of replacements that each double a text would exhaust memory.
 *
 * @param what the steps, for the message
 * @param times how many times as long a text may become
 * @throws TokenizerError `UNSUPPORTED`
 */
export function checkGrowth(what: string, before: number, after: number, times = TIMES): void {
  if (after <= before * times + MORE) return
  throw new TokenizerError(
    'UNSUPPORTED',
    `The ${what} makes ${after} characters of ${before}; a file that makes a text more than ${times} times as long is not run`,
  )
}
