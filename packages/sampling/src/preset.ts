/** Chains in the orders of the programs that made them known, with these programs' defaults. */
import { samplerChain, type Sampler, type SamplerChainOptions } from './chain.js'
import { SamplingError } from './errors.js'
import { epsilonCutoff, etaCutoff } from './samplers/cutoff.js'
import { dry, type DryOptions } from './samplers/dry.js'
import { dynamicTemperature, type DynamicTemperatureOptions } from './samplers/dynamic-temperature.js'
import { logitBias } from './samplers/logit-bias.js'
import { minP } from './samplers/min-p.js'
import { mirostat, mirostat2, type MirostatOneOptions } from './samplers/mirostat.js'
import { penalties } from './samplers/penalties.js'
import { minTokens, suppress } from './samplers/positions.js'
import { badWords, noRepeatNgram, sequenceBias } from './samplers/sequences.js'
import { temperature } from './samplers/temperature.js'
import { topH } from './samplers/top-h.js'
import { topK } from './samplers/top-k.js'
import { topNSigma } from './samplers/top-n-sigma.js'
import { topP } from './samplers/top-p.js'
import { typical } from './samplers/typical.js'
import { xtc, type XtcOptions } from './samplers/xtc.js'
import type { SamplerStep } from './step.js'

/** What all presets take. Steps are described where they are made, such as {@link topP}. */
export interface PresetOptions extends SamplerChainOptions {
  readonly temperature?: number
  readonly topP?: number
  readonly logitBias?: Readonly<Record<number, number>>
  /** Of the tokens that are accepted, how many are the prompt's. */
  readonly prompt?: number
}

/** Bias, frequency and presence of what was generated, temperature (1), top-p (1). */
export interface OpenAiPreset extends PresetOptions {
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
}

/** Biases, repetition (1), n-grams, bad words, lengths, suppressed tokens; then temperature (1), top-H, top-k (50), top-p (1), min-p, typical, epsilon, eta. */
export interface HuggingFacePreset extends PresetOptions {
  readonly repetitionPenalty?: number
  readonly noRepeatNgramSize?: number
  readonly sequenceBias?: readonly (readonly [sequence: readonly number[], bias: number])[]
  readonly badWords?: readonly (readonly number[])[]
  readonly suppress?: readonly number[]
  /** Tokens that are generated at least, with `stop`. */
  readonly minNewTokens?: number
  readonly stop?: readonly number[]
  readonly topH?: number
  readonly topK?: number
  readonly minP?: number
  readonly typicalP?: number
  readonly epsilonCutoff?: number
  readonly etaCutoff?: number
}

/** Bias, penalties (off, over 64 tokens), DRY (off), top-nσ (off), top-k (40), typical (1), top-p (0.95), min-p (0.05), XTC (off), temperature (0.8); or Mirostat in place of all truncation. */
export interface LlamaCppPreset extends PresetOptions {
  readonly repeatPenalty?: number
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
  readonly repeatLastN?: number
  readonly dry?: DryOptions
  readonly topNSigma?: number
  readonly topK?: number
  readonly typicalP?: number
  readonly minP?: number
  readonly xtc?: XtcOptions
  readonly dynamicTemperature?: DynamicTemperatureOptions
  readonly mirostat?: { readonly version: 1 | 2 } & MirostatOneOptions
}

/** Bias, least length, repetition over everything, frequency and presence of what was generated, temperature (1), min-p (0), top-k (off), top-p (1). */
export interface VllmPreset extends PresetOptions {
  readonly repetitionPenalty?: number
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
  readonly minTokens?: number
  readonly stop?: readonly number[]
  readonly minP?: number
  readonly topK?: number
}

export interface Presets {
  readonly openai: OpenAiPreset
  readonly hf: HuggingFacePreset
  readonly llamacpp: LlamaCppPreset
  readonly vllm: VllmPreset
}
export type PresetName = keyof Presets

/**
 * A sampler as another program has it: with its order of steps and its defaults, so that the same parameters mean the same.
 *
 * @example
 * const sampler = samplerFromPreset('llamacpp', { topK: 20, dry: { multiplier: 0.8 }, seed: 1 })
 * @throws SamplingError `VALUE` for an unknown preset or option, and for parameters out of range
 */
export function samplerFromPreset<N extends PresetName>(name: N, options: Presets[N] = {} as Presets[N]): Sampler {
  if (!Object.hasOwn(makers, name))
    throw new SamplingError('VALUE', `There is no preset ${JSON.stringify(name)}; expected one of ${Object.keys(makers).join(', ')}`)
  const { steps, options: known } = makers[name]
  for (const key of Object.keys(options))
    if (!known.includes(key) && !shared.includes(key))
      throw new SamplingError('VALUE', `The preset ${name} has no option ${key}; it has ${[...shared, ...known].join(', ')}`)
  return samplerChain(steps(options), options)
}

const shared: readonly string[] = ['seed', 'temperature', 'topP', 'logitBias', 'prompt'] satisfies (keyof PresetOptions)[]

/** A step where a parameter is given. */
const given = <T>(value: T | undefined, make: (value: T) => SamplerStep): SamplerStep[] => (value === undefined ? [] : [make(value)])

const leastLength = (count: number | undefined, stop: readonly number[] | undefined, prompt = 0): SamplerStep[] => {
  if (count === undefined) return []
  if (stop === undefined) throw new SamplingError('VALUE', 'A least number of tokens needs stop, the tokens that end a text')
  return [minTokens({ count, stop, prompt })]
}

/** Of what was generated, however long. */
const ofGenerated = (frequency = 0, presence = 0, prompt = 0): SamplerStep[] =>
  frequency === 0 && presence === 0 ? [] : [penalties({ frequency, presence, lastN: -1, prompt })]

const ofEverything = (repeat = 1): SamplerStep[] => (repeat === 1 ? [] : [penalties({ repeat, lastN: -1 })])

type Makers = {
  readonly [N in PresetName]: { readonly options: readonly string[]; readonly steps: (options: Presets[N]) => SamplerStep[] }
}

const makers: Makers = {
  openai: {
    options: ['frequencyPenalty', 'presencePenalty'],
    steps: (o) => [
      ...given(o.logitBias, logitBias),
      ...ofGenerated(o.frequencyPenalty, o.presencePenalty, o.prompt),
      temperature(o.temperature ?? 1),
      topP(o.topP ?? 1),
    ],
  },
  hf: {
    options: [
      'repetitionPenalty',
      'noRepeatNgramSize',
      'sequenceBias',
      'badWords',
      'suppress',
      'minNewTokens',
      'stop',
      'topH',
      'topK',
      'minP',
      'typicalP',
      'epsilonCutoff',
      'etaCutoff',
    ],
    steps: (o) => [
      ...given(o.logitBias, logitBias),
      ...given(o.sequenceBias, sequenceBias),
      ...ofEverything(o.repetitionPenalty),
      ...given(o.noRepeatNgramSize, noRepeatNgram),
      ...given(o.badWords, badWords),
      ...leastLength(o.minNewTokens, o.stop, o.prompt),
      ...given(o.suppress, suppress),
      temperature(o.temperature ?? 1),
      ...given(o.topH, topH),
      topK(o.topK ?? 50),
      topP(o.topP ?? 1),
      ...given(o.minP, minP),
      ...given(o.typicalP, typical),
      ...given(o.epsilonCutoff, epsilonCutoff),
      ...given(o.etaCutoff, etaCutoff),
    ],
  },
  llamacpp: {
    options: [
      'repeatPenalty',
      'frequencyPenalty',
      'presencePenalty',
      'repeatLastN',
      'dry',
      'topNSigma',
      'topK',
      'typicalP',
      'minP',
      'xtc',
      'dynamicTemperature',
      'mirostat',
    ],
    steps: (o) => {
      const warm = [
        ...given(o.dynamicTemperature, dynamicTemperature),
        ...(o.dynamicTemperature ? [] : [temperature(o.temperature ?? 0.8)]),
      ]
      if (o.mirostat !== undefined) {
        const { version, ...settings } = o.mirostat
        return [...given(o.logitBias, logitBias), ...warm, version === 1 ? mirostat(settings) : mirostat2(settings)]
      }
      const [repeat, frequency, presence] = [o.repeatPenalty ?? 1, o.frequencyPenalty ?? 0, o.presencePenalty ?? 0]
      return [
        ...given(o.logitBias, logitBias),
        ...(repeat === 1 && frequency === 0 && presence === 0
          ? []
          : [penalties({ repeat, frequency, presence, lastN: o.repeatLastN ?? 64 })]),
        ...given(o.dry, dry),
        ...given(o.topNSigma, topNSigma),
        topK(o.topK ?? 40),
        ...given(o.typicalP, typical),
        topP(o.topP ?? 0.95),
        minP(o.minP ?? 0.05),
        ...given(o.xtc, xtc),
        ...warm,
      ]
    },
  },
  vllm: {
    options: ['repetitionPenalty', 'frequencyPenalty', 'presencePenalty', 'minTokens', 'stop', 'minP', 'topK'],
    steps: (o) => [
      ...given(o.logitBias, logitBias),
      ...leastLength(o.minTokens, o.stop, o.prompt),
      ...ofEverything(o.repetitionPenalty),
      ...ofGenerated(o.frequencyPenalty, o.presencePenalty, o.prompt),
      temperature(o.temperature ?? 1),
      ...given(o.minP, minP),
      ...given(o.topK, topK),
      topP(o.topP ?? 1),
    ],
  },
}
