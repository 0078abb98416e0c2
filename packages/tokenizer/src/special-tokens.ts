import { TokenizerError } from './errors.js'

/** A token that is found in text before the model sees it. */
export interface AddedToken {
  readonly content: string
  readonly id: number
  /** Special tokens steer a model and obey {@link SpecialPolicy}; the others are always recognised. */
  readonly special: boolean
}

/**
 * What to do with special tokens written out in a text: `reject` throws (the default), `allow` turns them into their ids, `text`
 * treats them as ordinary text, which is right for whatever users or documents wrote; a list allows these and rejects
 * the others.
 */
export type SpecialPolicy = 'reject' | 'allow' | 'text' | readonly string[]

/** Special tokens are meant, but not in these stretches: what users wrote inside a text that a template made. */
export class WrittenByUsers {
  /** @param ranges starts and ends in turn, rising, in UTF-16 units of the text that is encoded */
  constructor(private readonly ranges: readonly number[]) {}

  /** Whether any of the text from `start` to `end` lies in such a stretch. */
  touches(start: number, end: number): boolean {
    let low = 0
    let high = this.ranges.length / 2
    // The first stretch that ends behind `start`.
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.ranges[middle * 2 + 1]! <= start) low = middle + 1
      else high = middle
    }
    return low * 2 < this.ranges.length && this.ranges[low * 2]! < end
  }
}

/** What decides about a special token in a text. */
export type SpecialRule = SpecialPolicy | WrittenByUsers

/** Finds added tokens in text. Where several match at one place, the longest wins. */
export class SpecialTokens {
  /** Special tokens, in order of their ids. */
  readonly special: ReadonlyMap<string, number>
  readonly specialIds: ReadonlySet<number>
  private readonly byContent: ReadonlyMap<string, AddedToken>
  private readonly ordinary: readonly AddedToken[]
  // Built when first used: some vocabularies have a thousand special tokens.
  private allPattern: RegExp | undefined
  private ordinaryPattern: RegExp | undefined

  constructor(readonly added: readonly AddedToken[]) {
    const special = added.filter((token) => token.special).sort((a, b) => a.id - b.id)
    this.special = new Map(special.map((token) => [token.content, token.id]))
    this.specialIds = new Set(this.special.values())
    this.byContent = new Map(added.map((token) => [token.content, token]))
    this.ordinary = added.filter((token) => !token.special)
  }

  /**
   * Calls `onText` for the stretches between added tokens and `onToken` for these, in order.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; `VALUE` for an unknown policy or a listed token that is none
   */
  scan(
    text: string,
    policy: SpecialRule,
    onText: (text: string, start: number) => void,
    onToken: (id: number, content: string) => void,
  ): void {
    checkPolicy(policy, this.special)
    const pattern = policy === 'text' ? (this.ordinaryPattern ??= anyOf(this.ordinary)) : (this.allPattern ??= anyOf(this.added))
    let done = 0
    if (pattern !== undefined) {
      for (const match of text.matchAll(pattern)) {
        const token = this.byContent.get(match[0])!
        if (token.special && policy instanceof WrittenByUsers) {
          if (policy.touches(match.index, match.index + token.content.length)) continue
        } else if (token.special && !isAllowed(token.content, policy)) {
          throw specialTokenError(token.content, match.index)
        }
        if (match.index > done) onText(text.slice(done, match.index), done)
        onToken(token.id, token.content)
        done = match.index + token.content.length
      }
    }
    if (done < text.length) onText(done === 0 ? text : text.slice(done), done)
  }
}

/** The error for a special token that a text holds and the policy does not allow. */
export function specialTokenError(token: string, position: number): TokenizerError {
  return new TokenizerError(
    'SPECIAL_TOKEN',
    `The text holds the special token ${JSON.stringify(token)} at position ${position}. Text that users or documents wrote ` +
      `is encoded with special: 'text'; where the token is meant, pass special: 'allow' or list it`,
    { token, position },
  )
}

/** @throws TokenizerError `VALUE` for an unknown policy or a listed token that is none */
export function checkPolicy(policy: SpecialRule, special: ReadonlyMap<string, number>): void {
  if (policy instanceof WrittenByUsers) return
  if (policy === 'reject' || policy === 'allow' || policy === 'text') return
  if (!Array.isArray(policy)) {
    throw new TokenizerError('VALUE', `special is 'reject', 'allow', 'text' or a list of special tokens, got ${String(policy)}`)
  }
  for (const name of policy as readonly string[]) {
    if (special.has(name)) continue
    const known = [...special.keys()].slice(0, 8).join(', ') || 'none'
    throw new TokenizerError('VALUE', `special lists ${JSON.stringify(name)}, which is no special token here; known are: ${known}`)
  }
}

/** Whether the policy names the token among those that are meant. */
export const isAllowed = (token: string, policy: SpecialRule): boolean =>
  policy === 'allow' || (Array.isArray(policy) && policy.includes(token))

/** Matches any of the tokens, the longest first; undefined for none. Literal alternatives never backtrack for long. */
function anyOf(tokens: readonly AddedToken[]): RegExp | undefined {
  if (tokens.length === 0) return undefined
  const contents = tokens.map((token) => token.content).sort((a, b) => b.length - a.length)
  return new RegExp(contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'), 'g')
}
