import type { DecoderConfig, PairEvaluation } from '@tesserae/transformer'
import type { PairSet } from './pairs.js'

/** What was measured on one set, in the order of the table. */
export interface Figures {
  readonly set: string
  readonly rows: readonly (readonly [name: string, evaluation: PairEvaluation])[]
}

export interface CardFacts {
  readonly sets: readonly PairSet[]
  readonly figures: readonly Figures[]
  readonly config: DecoderConfig
  readonly parameters: number
  readonly steps: number
  readonly rows: number
  readonly length: number
  readonly temperature: number
  readonly peak: number
  readonly seed: number
  readonly seconds: number
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** The model's card: what it is, what it learnt from, what it can do, what it cannot. */
export function cardText(facts: CardFacts): string {
  const { sets, figures, config, parameters, steps, rows, length, temperature, peak, seed, seconds } = facts
  const tables = figures.map(({ set, rows: measured }) => {
    const lines = measured.map(
      ([name, { recall, mrr }]) =>
        `| ${name} | ${percent(recall[1]!)} | ${percent(recall[5]!)} | ${percent(recall[10]!)} | ${mrr.toFixed(3)} |`,
    )
    const { queries } = measured[0]![1]
    return `### ${set}\n\n${queries} held-out queries, each among ${queries} texts.\n\n| vectors | recall@1 | recall@5 | recall@10 | MRR |\n| --- | --- | --- | --- | --- |\n${lines.join('\n')}`
  })
  return `# A small text encoder

Text → a vector of ${config.width} entries and length 1, so that texts about the same thing have a large product. Made by
\`tools/recipes/embedder/main.ts\` of Tesserae; this card is written by the same run, its figures with it.

- **Architecture**: ${config.layers} bidirectional blocks of width ${config.width} with ${config.heads} heads, rotary positions, SwiGLU; mean over the tokens, scaled to length 1.
  ${parameters.toLocaleString('en')} parameters in 32-bit floats; byte-level BPE of ${config.vocabSize.toLocaleString('en')} tokens, trained on the same text; texts of up to ${config.context} tokens.
- **Training**: InfoNCE with the other ${rows - 1} pairs of a batch as negatives, both ways round, temperature ${temperature}; ${steps} steps of ${rows} pairs cut to
  ${length} tokens; AdamW, learning rate up to ${peak} along a cosine; seed ${seed}. ${seconds.toFixed(0)} seconds.
- **Data**: ${sets.map(({ name, train }) => `${name} (${train.length.toLocaleString('en')} pairs)`).join('; ')}. Nobody labelled any of it.

## Figures

"Hashed words" is what counting words gives without a model; "before training" is this encoder with its weights as they start.

${tables.join('\n\n')}

## Limits

It knows the English of its few texts and no facts. Away from them, expect little more than word overlap: measure on your own questions before relying on it, and
put a lexical search (BM25) beside it. It was not examined for bias; a nineteenth-century novel has plenty.
`
}
