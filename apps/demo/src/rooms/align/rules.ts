/** Rules that can rank in a person's place: stated, so that anyone can see whether training follows them. */
export interface Rule {
  readonly name: string
  readonly label: string
  /** The larger, the better. */
  score(answer: string): number
  /** What is counted, for the table of before and after. */
  readonly unit: string
}

const words = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length
const seaWords = /\b(sea|seas|ocean|oceans|water|waters|wave|waves|whale|whales|ship|ships|sail|sails|tide|shore)\b/gi

export const rules: readonly Rule[] = [
  { name: 'shorter', label: 'Prefers shorter answers', score: (answer) => -words(answer), unit: 'words' },
  { name: 'longer', label: 'Prefers longer answers', score: words, unit: 'words' },
  { name: 'sea', label: 'Prefers answers that mention the sea', score: (answer) => answer.match(seaWords)?.length ?? 0, unit: 'sea words' },
]

/** 0 or 1, which answer the rule prefers; undefined where it does not tell them apart. */
export function preferred(rule: Rule, answers: readonly [string, string]): 0 | 1 | undefined {
  const [first, second] = [rule.score(answers[0]), rule.score(answers[1])]
  return first === second ? undefined : first > second ? 0 : 1
}

/** The mean of what a rule counts. */
export const meanCount = (rule: Rule, answers: readonly string[]): number =>
  answers.reduce((sum, answer) => sum + Math.abs(rule.score(answer)), 0) / Math.max(1, answers.length)
