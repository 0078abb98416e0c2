/** How much of everything the stages do. */
export interface Sizes {
  readonly model: { readonly width: number; readonly layers: number; readonly heads: number; readonly context: number }
  readonly vocabSize: number
  readonly pretrain: { readonly rows: number; readonly validationBatches: number }
  readonly sft: { readonly epochs: number; readonly rows: number; readonly learningRate: number }
  /** Prompts that are ranked, answers to each, and the most that are shown to a person. */
  readonly rank: { readonly prompts: number; readonly answers: number; readonly byHand: number }
  readonly reward: { readonly epochs: number; readonly rows: number; readonly learningRate: number }
  readonly ppo: { readonly steps: number; readonly rows: number; readonly learningRate: number; readonly kl: number }
  /** Most tokens of an answer. */
  readonly answerTokens: number
}

/** What `npm run quickstart` does: under eight minutes on two cores. */
export const full: Sizes = {
  model: { width: 160, layers: 4, heads: 5, context: 128 },
  vocabSize: 1024,
  pretrain: { rows: 16, validationBatches: 12 },
  sft: { epochs: 24, rows: 16, learningRate: 1e-3 },
  rank: { prompts: 280, answers: 4, byHand: 40 },
  reward: { epochs: 2, rows: 16, learningRate: 3e-4 },
  ppo: { steps: 40, rows: 32, learningRate: 1e-4, kl: 0.1 },
  answerTokens: 48,
}

/** A few seconds a stage: enough to see that everything runs, too little to learn anything. */
export const small: Sizes = {
  model: { width: 32, layers: 2, heads: 2, context: 128 },
  vocabSize: 400,
  pretrain: { rows: 4, validationBatches: 2 },
  sft: { epochs: 1, rows: 16, learningRate: 3e-3 },
  rank: { prompts: 32, answers: 2, byHand: 12 },
  reward: { epochs: 2, rows: 8, learningRate: 1e-3 },
  ppo: { steps: 2, rows: 8, learningRate: 1e-4, kl: 0.05 },
  answerTokens: 12,
}
