import type { OptimizerOptions, Schedule } from '@tesserae/transformer'
import { RlhfError } from '../errors.js'
import type { KlEstimator } from '../losses/kl.js'
import type { PpoOptions } from './ppo-options.js'

/** The options with their defaults, checked. */
export interface PpoSettings {
  readonly rows: number
  readonly epochs: number
  readonly minibatches: number
  readonly learningRate: Schedule
  readonly valueLearningRate: Schedule
  readonly optimizer: OptimizerOptions
  readonly clip: number
  readonly klEstimator: KlEstimator
  readonly gamma: number
  readonly lambda: number
  readonly policyClip: number
  readonly valueClip: number
  readonly valueCoefficient: number
  readonly entropyCoefficient: number
  readonly whitenAdvantages: boolean
  readonly whitenRewards: boolean
  readonly scoreAt: 'last' | 'after'
  readonly missingEosPenalty: number
  readonly temperature: number
}

const scheduleOf = (rate: number | Schedule): Schedule => (typeof rate === 'function' ? rate : () => rate)

/** Errors: OPTION, naming the option. */
export function ppoSettings(options: PpoOptions): PpoSettings {
  const { learningRate = 3e-6, valueLearningRate = learningRate, optimizer, sampling } = options
  const settings: PpoSettings = {
    rows: options.rows ?? 64,
    epochs: options.epochs ?? 4,
    minibatches: options.minibatches ?? 4,
    learningRate: scheduleOf(learningRate),
    valueLearningRate: scheduleOf(valueLearningRate),
    optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, ...optimizer },
    clip: options.clip ?? 1,
    klEstimator: options.klEstimator ?? 'k1',
    gamma: options.gamma ?? 1,
    lambda: options.lambda ?? 0.95,
    policyClip: options.policyClip ?? 0.2,
    valueClip: options.valueClip ?? 0.2,
    valueCoefficient: options.valueCoefficient ?? 0.1,
    entropyCoefficient: options.entropyCoefficient ?? 0,
    whitenAdvantages: options.whitenAdvantages ?? true,
    whitenRewards: options.whitenRewards ?? false,
    scoreAt: options.scoreAt ?? 'last',
    missingEosPenalty: options.missingEosPenalty ?? 0,
    temperature: sampling?.temperature ?? 1,
  }
  const fail = (name: string, value: unknown, expected: string): never => {
    throw new RlhfError('OPTION', `ppo: ${name} is ${String(value)}; expected ${expected}`)
  }
  const counts = {
    steps: options.steps,
    maxTokens: options.maxTokens,
    rows: settings.rows,
    epochs: settings.epochs,
    minibatches: settings.minibatches,
  }
  for (const [name, value] of Object.entries(counts)) if (!Number.isInteger(value) || value < 1) fail(name, value, 'a positive integer')
  if (settings.rows % settings.minibatches !== 0) fail('minibatches', settings.minibatches, `a divisor of rows (${settings.rows})`)
  for (const name of ['gamma', 'lambda'] as const)
    if (!(settings[name] >= 0 && settings[name] <= 1)) fail(name, settings[name], 'a number from 0 to 1')
  for (const name of ['policyClip', 'valueClip', 'clip', 'temperature'] as const)
    if (!(settings[name] > 0)) fail(name, settings[name], 'a number above 0')
  for (const name of ['valueCoefficient', 'entropyCoefficient', 'missingEosPenalty'] as const)
    if (!(settings[name] >= 0)) fail(name, settings[name], 'a number of at least 0')
  for (const rate of [learningRate, valueLearningRate])
    if (typeof rate === 'number' && !(rate >= 0)) fail('learningRate', rate, 'a number of at least 0')
  return settings
}
