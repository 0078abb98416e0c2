/** How PPO looks at its models inside a program. */
import type { Tensor } from '@tesserae/tensor'
import {
  forwardHidden,
  project,
  rotaryTables,
  withLora,
  type DecoderConfig,
  type DecoderWeights,
  type LoraConfig,
  type LoraWeights,
  type RotaryTables,
} from '@tesserae/transformer'
import { logprobsOf } from '../losses/logprobs.js'
import { scalarsOf } from '../rewards/model.js'
import type { PpoTrained } from './ppo-options.js'

/** A configuration with the tables that it needs. */
export interface Runnable {
  readonly config: DecoderConfig
  readonly rotary?: RotaryTables
}

export interface PpoModels {
  readonly policy: Runnable
  readonly reference: Runnable
  /** Of a value function with a trunk of its own. */
  readonly value?: Runnable
  readonly lora?: LoraConfig
}

export const runnable = (config: DecoderConfig): Runnable => ({
  config,
  ...(config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}),
})

/** What policy and value function make of ids [B, T], on every column but the last. */
export interface Look {
  /** i32 [B, T − 1]: what goes in, and the token behind each. */
  readonly inputs: Tensor
  readonly targets: Tensor
  /** [B, T − 1, vocabSize] */
  readonly logits: Tensor
  /** [B, T − 1]: log-probability of each target at the sampling temperature, and the value of what stands before it. */
  readonly logprobs: Tensor
  readonly values: Tensor
}

/** One forward pass where the value function shares the policy's trunk. `base` is what an adapter is added to. */
export function looking(
  models: PpoModels,
  temperature: number,
): (trained: PpoTrained, base: DecoderWeights | undefined, ids: Tensor) => Look {
  return (trained, base, ids) => {
    const length = ids.shape[1] as number
    const inputs = ids.slice(1, 0, length - 1)
    const targets = ids.slice(1, 1, length)
    const weights =
      models.lora === undefined || base === undefined
        ? (trained.policy as DecoderWeights)
        : withLora(base, { config: models.lora, weights: trained.policy as LoraWeights })
    const hidden = forwardHidden(weights, inputs, models.policy)
    const { weights: own, head } = trained.value
    const values = scalarsOf(head, own === undefined ? hidden : forwardHidden(own, inputs, models.value!))
    const logits = project(weights, hidden, models.policy.config)
    return { inputs, targets, logits, values, logprobs: logprobsOf(logits, targets, { temperature }) }
  }
}
