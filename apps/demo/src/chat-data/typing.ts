import type { RandomStream } from '@tesserae/core'

const openings = [
  'Hello! ',
  'Hi. ',
  'OK. ',
  'Thank you. ',
  'Please tell me: ',
  'Tell me, ',
  'And ',
  'So, ',
  'I want to know: ',
  'Question: ',
]
/** Words that may stand for each other in a question without changing what it asks. */
const alike = [
  ['large', 'big', 'huge'],
  ['largest', 'biggest'],
  ['sea', 'ocean'],
  ['name', 'names'],
  ['called', 'named'],
  ['ship', 'boat', 'vessel'],
  ['ships', 'boats'],
  ['whale', 'whales'],
  ['book', 'novel', 'story'],
  ['begin', 'start'],
  ['end', 'finish'],
  ['tell', 'teach'],
  ['explain', 'describe', 'define'],
  ['mean', 'stand for'],
  ['people', 'men', 'humans'],
  ['eat', 'feed on', 'live on'],
  ['made', 'built', 'created'],
  ['work', 'function'],
  ['use', 'purpose'],
  ['clever', 'smart', 'intelligent'],
  ['fast', 'quick'],
  ['like', 'love'],
  ['why', 'for what reason'],
  ['kind', 'type', 'sort'],
  ['which', 'what'],
  ['that', 'this'],
]
const others = new Map(alike.flatMap((words) => words.map((word) => [word, words.filter((other) => other !== word)] as const)))
/** Words that hurried people leave out. */
const small = new Set('a an the is are do does did of at to can you me please was'.split(' '))

/**
 * A question as it might be typed: with other words for some of its own, without small ones, in small letters and without a mark, after a word of
 * greeting. A model that sees each question in one form only learns the form and not what is asked.
 */
export function asTyped(text: string, random: RandomStream): string {
  const reworded = random.uniform() < 0.5 ? text.replaceAll(/[A-Za-z]+/g, (word, at: number) => another(word, at === 0, random)) : text
  const hurried = random.uniform() < 0.2 ? withoutSmallWords(reworded, random) : reworded
  const draw = random.uniform()
  if (draw < 0.35)
    return hurried
      .toLowerCase()
      .replaceAll("'", '')
      .replace(/[.?!]+$/, '')
  return draw < 0.45 ? random.choice(openings) + hurried : hurried
}

function another(word: string, first: boolean, random: RandomStream): string {
  const choices = others.get(first ? word.toLowerCase() : word)
  if (choices === undefined || random.uniform() < 0.5) return word
  const chosen = random.choice(choices)
  return first ? chosen[0]!.toUpperCase() + chosen.slice(1) : chosen
}

/** Never all of it: one word is left at least. */
function withoutSmallWords(text: string, random: RandomStream): string {
  const left = text.split(' ').filter((word) => !small.has(word.toLowerCase()) || random.uniform() < 0.4)
  return left.length === 0 ? text : left.join(' ')
}
