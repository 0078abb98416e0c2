import { parseArgs } from 'node:util'
import { full, small, type Sizes } from './sizes.js'
import { stageNames, type StageName } from './stage.js'

export interface Options {
  /** Seconds of pre-training. */
  readonly seconds: number
  readonly sizes: Sizes
  readonly seed: number
  /** Where every stage's result goes. */
  readonly out: string
  /** Go on with the stage that was interrupted. */
  readonly resume: boolean
  /** Run one stage, and what it needs. */
  readonly stage?: StageName
  /** Rank in the browser, instead of by the rule. */
  readonly rank: boolean
  readonly annotator: string
  /** What the models go on from, and what the aligned one is asked. */
  readonly prompt: string
  readonly ask: string
  readonly temperatures: readonly number[]
  /** What the project's own documents are asked. */
  readonly question: string
}

export const usage = `Trains a tokenizer and a transformer on Moby-Dick, teaches it to talk, aligns it to rankings, lets it write, and answers a
question from this project's documents.

  npm run quickstart                      everything: about seven minutes on two cores
  npm run quickstart -- --resume          go on after Ctrl-C
  npm run quickstart -- --stage ppo       one stage, with the results of those it needs (${stageNames.join(', ')})
  npm run quickstart -- --rank            rank answers yourself, in the browser
  npm run quickstart -- --seconds 30      pre-train for 30 seconds (default 110)
  npm run quickstart -- --stage generate --ask "Who is Ahab?" --temperatures 0,0.7,1.5
  npm run quickstart -- --stage answer --question "What does npm test do?"

  --small     a few seconds a stage, to see that everything runs      --vocab N       tokens in the vocabulary (default 1024)
  --seed N    default 1                                               --annotator ME  whose rankings they are (default your user name)
  --out DIR   where results are kept (default .quickstart)            --prompt TEXT   what the pre-trained model goes on from`

/** Reads the command line; an error message for people when it makes no sense. */
export function readOptions(args: readonly string[]): Options | { readonly help: string; readonly failed: boolean } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string' },
        vocab: { type: 'string' },
        seed: { type: 'string', default: '1' },
        out: { type: 'string', default: '.quickstart' },
        small: { type: 'boolean', default: false },
        resume: { type: 'boolean', default: false },
        stage: { type: 'string' },
        rank: { type: 'boolean', default: false },
        annotator: { type: 'string', default: process.env['USER'] ?? 'me' },
        prompt: { type: 'string', default: 'The whale' },
        ask: { type: 'string', default: 'What is a whale?' },
        temperatures: { type: 'string', default: '0,0.7,1.2' },
        question: { type: 'string', default: 'Where does randomness come from?' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return { help: usage, failed: false }
    for (const name of ['prompt', 'ask', 'question', 'annotator', 'out'] as const)
      if (values[name].trim() === '') throw new Error(`--${name} needs some text`)
    const sizes = values.small ? small : full
    const { stage } = values
    if (stage !== undefined && !isStage(stage)) throw new Error(`--stage takes one of ${stageNames.join(', ')}, got '${stage}'`)
    return {
      seconds: number('seconds', values.seconds ?? (values.small ? '2' : '110'), { low: 1, high: 86_400, whole: false }),
      sizes: values.vocab === undefined ? sizes : { ...sizes, vocabSize: number('vocab', values.vocab, { low: 300, high: 32_768 }) },
      seed: number('seed', values.seed, { low: 0, high: 2 ** 31 - 1 }),
      out: values.out,
      resume: values.resume,
      ...(stage === undefined ? {} : { stage }),
      rank: values.rank,
      annotator: values.annotator,
      prompt: values.prompt,
      ask: values.ask,
      temperatures: values.temperatures.split(',').map((text) => number('temperatures', text, { low: 0, high: 10, whole: false })),
      question: values.question,
    }
  } catch (error) {
    return { help: `${(error as Error).message}\n\n${usage}`, failed: true }
  }
}

const isStage = (name: string): name is StageName => (stageNames as readonly string[]).includes(name)

function number(name: string, text: string, { low, high, whole = true }: { low: number; high: number; whole?: boolean }): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= low && value <= high) || (whole && !Number.isInteger(value)))
    throw new Error(`--${name} takes ${whole ? 'an integer' : 'a number'} from ${low} to ${high}, got '${text}'`)
  return value
}
