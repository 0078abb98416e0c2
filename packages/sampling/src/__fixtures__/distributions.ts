/** Whether texts come as often as their probabilities say: generated with guesses, and by a grammar. */
import { grammar, grammarStep, Vocabulary } from '../grammar.js'
import { minP, samplerChain, speculative, temperature, topK, topP, type Drafter, type Sampler, type SamplerStep } from '../index.js'
import { goodnessOfFit, type Fit } from './chi-square.js'
import { distribution } from './helpers.js'
import { draftersFor, modelOf, tableOf, type TableModel } from './models.js'

export interface DistributionCase {
  readonly name: string
  /** Draws so many texts and compares how often each came. */
  readonly fit: (seed: number, draws: number) => Promise<Fit>
}

/** With something in it that comes again, which guesses can be made from. */
const prompt = [1, 2, 3, 1, 2]

interface Setting {
  readonly target: TableModel
  readonly maxTokens: number
  readonly stop?: readonly number[]
  /** Probabilities of texts, by their ids. */
  readonly expected: ReadonlyMap<string, number>
  /** Steps, and what they need between two texts. */
  readonly chain: () => { readonly steps: readonly SamplerStep[]; readonly begin?: () => void }
  /** None for texts that a sampler draws alone. */
  readonly drafter?: (() => Drafter) | undefined
}

async function fit({ target, maxTokens, stop = [], expected, chain, drafter }: Setting, seed: number, draws: number): Promise<Fit> {
  const counts = new Map<string, number>()
  const { steps, begin } = chain()
  const sampler = samplerChain(steps, { seed })
  const own = drafter?.()
  for (let i = 0; i < draws; i++) {
    begin?.()
    let ids: number[] = []
    if (own === undefined) ids = drawAlone(sampler, target, maxTokens, stop)
    else {
      const options = { target: modelOf(target), drafter: own, prompt, sampler, maxTokens, stop, gamma: 2, seed: seed * 2 ** 20 + i }
      for await (const { id } of speculative(options)) ids.push(id)
    }
    const key = ids.join()
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return goodnessOfFit(counts, expected)
}

function drawAlone(sampler: Sampler, target: TableModel, maxTokens: number, stop: readonly number[]): number[] {
  const text = [...prompt]
  while (text.length < prompt.length + maxTokens) {
    const id = sampler.choose(target(text))
    sampler.accept(id)
    text.push(id)
    if (stop.includes(id)) break
  }
  return text.slice(prompt.length)
}

/** Probabilities of all texts, by what the next token's are. */
function textsOf(next: (ids: readonly number[]) => ReadonlyMap<number, number>, maxTokens: number, stop: readonly number[] = []) {
  const texts = new Map<string, number>()
  const visit = (ids: readonly number[], probability: number): void => {
    if (ids.length === maxTokens || stop.includes(ids.at(-1)!)) return void texts.set(ids.join(), probability)
    for (const [id, p] of next(ids)) visit([...ids, id], probability * p)
  }
  visit([], 1)
  return texts
}

const target = tableOf(1, 1.5)

const usual = () => [topK(4), minP(0.05), temperature(0.9)]

/** Texts of three tokens, generated with guesses. */
export const speculativeCases: readonly DistributionCase[] = Object.entries(draftersFor(target)).map(([name, drafter]) => ({
  name: `guesses by ${name}`,
  fit: (seed, draws) => {
    const expected = textsOf((ids) => distribution(target([...prompt, ...ids]), ...usual()), 3)
    return fit({ target, chain: () => ({ steps: usual() }), maxTokens: 3, expected, drafter }, seed, draws)
  },
}))

const tokens = ['a', 'b', 'c', 'ab', 'ba', 'bc']
const END = tokens.length
const pattern = '^(?:ab|ba|c)*(?:bb|ac?)?$'
const constrainedTarget = tableOf(4, 1.2, tokens.length + 1)

/** Whether a text may be gone on with, by the language's own regular expressions: what is still needed is at most two letters. */
function leadsOn(text: string): boolean {
  const whole = new RegExp(pattern)
  const letters = ['', 'a', 'b', 'c']
  return letters.some((first) => letters.some((second) => whole.test(text + first + second)))
}

const isAllowed = (text: string, id: number): boolean => (id === END ? new RegExp(pattern).test(text) : leadsOn(text + tokens[id]!))

/** Probabilities of texts of the language, by steps that know nothing of it. */
function constrainedTexts(steps: () => SamplerStep[], maxTokens: number): ReadonlyMap<string, number> {
  return textsOf(
    (ids) => {
      const text = ids.map((id) => tokens[id]!).join('')
      const logits = constrainedTarget([...prompt, ...ids]).map((logit, id) => (isAllowed(text, id) ? logit : -Infinity))
      return distribution(logits, ...steps())
    },
    maxTokens,
    [END],
  )
}

const chains: Readonly<Record<string, () => SamplerStep[]>> = {
  'no other step': () => [],
  'top-k, top-p, min-p, temperature': () => [topK(4), topP(0.9), minP(0.02), temperature(0.8)],
  'temperature, top-p': () => [temperature(1.3), topP(0.95)],
}

/** Texts by a grammar, whose tokens are of several lengths, drawn alone and generated with guesses. */
export const constrainedCases: readonly DistributionCase[] = Object.entries(chains).flatMap(([name, steps]) => {
  const vocabulary = new Vocabulary([...tokens.map((token) => new TextEncoder().encode(token)), undefined], { end: [END] })
  const compiled = grammar.fromRegex(pattern)
  const maxTokens = 4
  const chain = () => {
    const matcher = compiled.matcher(vocabulary)
    return { steps: [grammarStep(matcher), ...steps()], begin: () => matcher.reset() }
  }
  const { 'the prompt': lookup, 'another model': other } = draftersFor(constrainedTarget, tokens.length + 1)
  return [
    { name: `a grammar and ${name}`, drafter: undefined },
    { name: `a grammar and ${name}, guesses by the prompt`, drafter: lookup },
    { name: `a grammar and ${name}, guesses by another model`, drafter: other },
  ].map(({ name: title, drafter }) => ({
    name: title,
    fit: (seed: number, draws: number) =>
      fit({ target: constrainedTarget, chain, maxTokens, stop: [END], expected: constrainedTexts(steps, maxTokens), drafter }, seed, draws),
  }))
})
