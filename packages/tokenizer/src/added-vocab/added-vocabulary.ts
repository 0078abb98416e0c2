import type { Normalizer } from '../pipeline/components.js'
import { checkPolicy, isAllowed, specialTokenError, WrittenByUsers, type AddedToken, type SpecialRule } from '../special-tokens.js'
import { AlignedText, isPairAt } from '../text/aligned.js'
import { hfClassOf, hfClassTable, SPACE, WORD } from '../unicode/hf-classes.js'
import { KeyAutomaton } from './automaton.js'

/** A token that is found in text before the model sees it, with Hugging Face's rules. */
export interface AddedTokenRule extends AddedToken {
  /** Not found where a word goes on before or behind it. */
  readonly singleWord: boolean
  /** Takes the white space before it. */
  readonly lstrip: boolean
  /** Takes the white space behind it. */
  readonly rstrip: boolean
  /** Is looked for after normalization, in its normalized form. */
  readonly normalized: boolean
}

/** Takes what a text consists of, in order. */
export interface PartSink {
  text(part: AlignedText): void
  added(token: AddedTokenRule, part: AlignedText): void
}

interface Matcher {
  readonly automaton: KeyAutomaton
  readonly rules: readonly AddedTokenRule[]
  readonly lengths: Int32Array
}

/** The added tokens of a tokenizer. Some are looked for in the text as it is given, the others once it is normalized. */
export class AddedVocabulary {
  readonly special: ReadonlyMap<string, number>
  readonly byId: ReadonlyMap<number, AddedTokenRule>
  readonly byContent: ReadonlyMap<string, AddedTokenRule>
  private readonly forms = new Map<AddedTokenRule, string>()
  private readonly raw: Matcher | undefined
  private readonly normalized: Matcher | undefined

  /** @param tokens by `content` and id unique; of two with one normalized form the last is found */
  constructor(
    readonly tokens: readonly AddedTokenRule[],
    private readonly normalizer: Normalizer | undefined,
  ) {
    const special = tokens.filter((token) => token.special).toSorted((a, b) => a.id - b.id)
    this.special = new Map(special.map((token) => [token.content, token.id]))
    this.byId = new Map(tokens.map((token) => [token.id, token]))
    this.byContent = new Map(tokens.map((token) => [token.content, token]))
    this.raw = matcherOf(tokens.filter((token) => !token.normalized).map((rule) => ({ rule, key: rule.content })))
    this.normalized = matcherOf(tokens.filter((token) => token.normalized).map((rule) => ({ rule, key: this.formOf(rule) })))
    if (tokens.some((token) => token.singleWord || token.lstrip || token.rstrip)) hfClassTable()
  }

  /** What decoding starts from: a normalized token is written in its normalized form, as in Hugging Face's. */
  formOf(rule: AddedTokenRule): string {
    if (!rule.normalized || this.normalizer === undefined) return rule.content
    let form = this.forms.get(rule)
    if (form === undefined) this.forms.set(rule, (form = this.normalizer.normalize(AlignedText.of(rule.content, { track: false })).text))
    return form
  }

  /**
   * Takes the tokens out of a text, normalizing what is between them.
   *
   * @param text without lone surrogates
   * @param track whether parts keep their places
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; `VALUE` for an unknown policy or a listed token that is none
   */
  split(text: string, policy: SpecialRule, track: boolean, sink: PartSink): void {
    checkPolicy(policy, this.special)
    if (text === '') return
    // Which stretches users wrote can only be told of a text with places.
    track ||= policy instanceof WrittenByUsers
    const whole = AlignedText.of(text, { track })
    const normalize = (part: AlignedText): void => {
      const rewritten = this.normalizer === undefined ? part : this.normalizer.normalize(part)
      if (this.normalized === undefined) {
        if (rewritten.length > 0) sink.text(rewritten)
        return
      }
      findParts(rewritten, this.normalized, policy, {
        text: (between) => sink.text(between),
        added: (token, place) => sink.added(token, place),
        // Only a text with places can say where the token stands in what was given.
        refused: (token, place) => {
          if (!track) return this.split(text, policy, true, sink)
          throw specialTokenError(token.content, place.range(0, place.length).start)
        },
      })
    }
    if (this.raw === undefined) {
      normalize(whole)
      return
    }
    findParts(whole, this.raw, policy, {
      text: normalize,
      added: (token, place) => sink.added(token, place),
      refused: (token, _place, start) => {
        throw specialTokenError(token.content, start)
      },
    })
  }
}

function matcherOf(entries: readonly { readonly rule: AddedTokenRule; readonly key: string }[]): Matcher | undefined {
  const usable = entries.filter(({ key }) => key !== '')
  if (usable.length === 0) return undefined
  return {
    automaton: new KeyAutomaton(usable.map(({ key }) => key)),
    rules: usable.map(({ rule }) => rule),
    lengths: Int32Array.from(usable, ({ key }) => key.length),
  }
}

interface MatchSink extends PartSink {
  /** A special token that the policy does not allow. */
  refused(token: AddedTokenRule, place: AlignedText, start: number): void
}

function findParts(part: AlignedText, matcher: Matcher, policy: SpecialRule, sink: MatchSink): void {
  const { text } = part
  const found = matcher.automaton.find(text)
  // Where the text begins that no token has taken, and where the last match ended, whether it was taken or not.
  let open = 0
  let matched = 0
  let spaces = { start: 0, end: 0 }
  for (let i = found.length - 2; i >= 0; i -= 2) {
    const index = found[i + 1]!
    let start = found[i]!
    if (start < matched) continue
    let end = start + matcher.lengths[index]!
    matched = end
    const rule = matcher.rules[index]!
    if (rule.special && policy === 'text') continue
    if (rule.special && policy instanceof WrittenByUsers) {
      const place = part.range(start, end)
      if (policy.touches(place.start, place.end)) continue
    }
    if (rule.singleWord && (isWordBefore(text, start) || isWordAt(text, end))) continue
    if (rule.special && !(policy instanceof WrittenByUsers) && !isAllowed(rule.content, policy)) {
      sink.refused(rule, part.slice(start, end), start)
    }
    if (rule.lstrip) while (start > open && isSpaceAt(text, start - 1)) start--
    if (rule.rstrip) {
      // The run is looked for once, however many tokens lie in it.
      if (end < spaces.start || end > spaces.end) {
        spaces = { start: end, end }
        while (spaces.end < text.length && isSpaceAt(text, spaces.end)) spaces.end++
      }
      end = spaces.end
    }
    if (open < start) sink.text(part.slice(open, start))
    sink.added(rule, part.slice(start, end))
    open = end
  }
  if (open < text.length) sink.text(part.slice(open, text.length))
}

// White space lies in the basic plane.
const isSpaceAt = (text: string, at: number): boolean => (hfClassTable()[text.charCodeAt(at)]! & SPACE) !== 0

const isWordAt = (text: string, at: number): boolean => at < text.length && (hfClassOf(text.codePointAt(at)!) & WORD) !== 0

function isWordBefore(text: string, at: number): boolean {
  if (at === 0) return false
  return isWordAt(text, at >= 2 && isPairAt(text, at - 2) ? at - 2 : at - 1)
}
