// An engine in a process of its own: it says when it is ready, and then answers each line with a job by a line.
import { createInterface } from 'node:readline'
import type { Answer, Compiled, Engine, EngineMaker, Job, TextAnswer } from './contest.js'
import { tesserae } from './tesserae.js'
import { transformersStructuredOutput } from './transformers-structured-output.js'
import { cl100k } from './vocabulary.js'
import { webXgrammar } from './web-xgrammar.js'

const makers: Readonly<Record<string, EngineMaker>> = {
  tesserae,
  'web-xgrammar': webXgrammar,
  'transformers-structured-output': transformersStructuredOutput,
}

interface Round {
  readonly times: number[]
  readonly texts: TextAnswer[]
}

async function follow(compiled: Compiled, texts: readonly (readonly number[])[], end: number, deadline: number): Promise<Round> {
  const round: Round = { times: [], texts: [] }
  for (const ids of texts) {
    const follower = await compiled.follower()
    let answer: TextAnswer = { accepted: true }
    for (let at = 0; at <= ids.length; at++) {
      if (performance.now() > deadline) {
        answer = { accepted: undefined, stoppedAt: at }
        break
      }
      const start = performance.now()
      if (at > 0) follower.accept(ids[at - 1]!)
      const given = follower.mask()
      const bits = given instanceof Promise ? await given : (given as ArrayLike<number>)
      round.times.push((performance.now() - start) * 1000)
      const id = ids[at] ?? end
      if (((bits[id >> 5]! >>> (id & 31)) & 1) === 0) {
        answer = { accepted: false, stoppedAt: at }
        break
      }
    }
    follower.end()
    round.texts.push(answer)
  }
  return round
}

async function answerOf(engine: Engine, job: Job, end: number): Promise<Answer> {
  const start = performance.now()
  let compiled: Compiled
  try {
    compiled = await engine.compile(job)
  } catch (error) {
    return { refused: (error instanceof Error ? error.message : String(error)).slice(0, 300), compile: performance.now() - start }
  }
  const compile = performance.now() - start
  const deadline = performance.now() + job.seconds * 1000
  try {
    const measured = job.texts.slice(0, job.measured)
    const first = await follow(compiled, measured, end, deadline)
    const others = await follow(compiled, job.texts.slice(job.measured), end, deadline)
    const again = await follow(compiled, measured, end, deadline)
    return { compile, masks: first.times, again: again.times, texts: [...first.texts, ...others.texts] }
  } catch (error) {
    return { compile, refused: `while following a text: ${(error instanceof Error ? error.message : String(error)).slice(0, 300)}` }
  } finally {
    compiled.end()
  }
}

// Lines on standard output are answers; what engines print is for people.
console.log = console.error

const maker = makers[process.argv[2] ?? '']
if (maker === undefined) throw new Error(`An engine is one of ${Object.keys(makers).join(', ')}, got ${process.argv[2]}`)
const tokens = await cl100k()
const { engine, preparation } = await maker(tokens)
const send = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
send({ runtime: engine.runtime, preparation })
for await (const line of createInterface({ input: process.stdin })) send(await answerOf(engine, JSON.parse(line) as Job, tokens.end))
