import {
  cosineSchedule,
  gpt2,
  initWeights,
  randomWindows,
  sequentialWindows,
  train,
  type Batches,
  type TrainingRun,
} from '@tesserae/transformer'
import type { Device } from '@tesserae/tensor'

/**
 * nanoGPT's recipe for shakespeare_char on a CPU (github.com/karpathy/nanoGPT, README): characters, the first 90 % to train on, 4 layers of
 * width 128, 64 characters, batches of 12, 2,000 steps without dropout.
 */
export const steps = 2000
const window = { rows: 12, length: 64 }

export interface Shakespeare {
  readonly config: ReturnType<typeof gpt2>
  readonly training: Int32Array
  /** One pass over the last 10 %. */
  readonly validation: Batches & { readonly count: number }
}

export function shakespeareOf(text: string): Shakespeare {
  const letters = [...new Set(text)].sort()
  const index = new Map(letters.map((letter, i) => [letter, i]))
  const tokens = Int32Array.from(text, (letter) => index.get(letter)!)
  const cut = Math.floor(tokens.length * 0.9)
  return {
    config: gpt2({ vocabSize: letters.length, width: 128, layers: 4, heads: 4, context: window.length, bias: false }),
    training: tokens.subarray(0, cut),
    validation: sequentialWindows(tokens.subarray(cut), window),
  }
}

export interface TrainingOptions {
  /** Default `'cpu'`. */
  readonly device?: Device | 'cpu'
  /** Texts of a batch, default 12. */
  readonly rows?: number
}

export const startTraining = (
  { config, training }: Shakespeare,
  seed: number,
  { device = 'cpu', rows = window.rows }: TrainingOptions = {},
): TrainingRun =>
  train({
    config,
    weights: initWeights(config, { seed }),
    data: randomWindows(training, { ...window, rows, seed }),
    steps,
    learningRate: cosineSchedule({ peak: 1e-3, floor: 1e-4, warmup: 100, decay: steps }),
    optimizer: { beta1: 0.9, beta2: 0.99, weightDecay: 0.1 },
    clip: 1,
    seed,
    device,
  })

/** The losses of the first steps. */
export async function firstLosses(
  data: Shakespeare,
  count: number,
  { onLoss, ...options }: TrainingOptions & { readonly onLoss?: (loss: number) => void },
): Promise<number[]> {
  using run = startTraining(data, 1, options)
  const losses: number[] = []
  for await (const { loss } of run) {
    losses.push(loss)
    onLoss?.(loss)
    if (losses.length === count) break
  }
  return losses
}
