import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf } from './bytes.js'
import { DEAD, Machine, type Config } from './machine.js'
import { EMPTY, Nodes, NOTHING, type Node } from './nodes.js'

type Form =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'rule'; readonly rule: number }
  | { readonly kind: 'sequence' | 'choice'; readonly items: readonly Form[] }
  | { readonly kind: 'repeat'; readonly item: Form; readonly min: number; readonly max: number }

const text = (value: string): Form => ({ kind: 'text', text: value })
const rule = (number: number): Form => ({ kind: 'rule', rule: number })
const sequence = (...items: readonly Form[]): Form => ({ kind: 'sequence', items })
const choice = (...items: readonly Form[]): Form => ({ kind: 'choice', items })
const repeat = (item: Form, min: number, max = Infinity): Form => ({ kind: 'repeat', item, min, max })

function machineOf(rules: readonly Form[]): Machine {
  const nodes = new Nodes()
  const declared = rules.map((_, i) => nodes.declare(`r${i}`))
  const build = (form: Form): Node => {
    switch (form.kind) {
      case 'text':
        return nodes.literal(form.text)
      case 'rule':
        return declared[form.rule]!.node
      case 'sequence':
        return nodes.sequence(...form.items.map(build))
      case 'choice':
        return nodes.choice(...form.items.map(build))
      case 'repeat':
        return nodes.repeat(build(form.item), form.min, form.max)
      default:
        return form satisfies never
    }
  }
  rules.forEach((form, i) => nodes.define(declared[i]!.rule, build(form)))
  return new Machine(nodes, declared[0]!.node)
}

function follow(machine: Machine, value: string): Config {
  let config = machine.start
  for (const byte of bytesOf(value)) config = machine.step(config, byte)
  return config
}
const matches = (machine: Machine, value: string): boolean => machine.accepts(follow(machine, value))

/** Where in a text a match that begins at `from` may end, by what is known of the rules; the definitions themselves, asked until nothing new comes. */
class Recogniser {
  private readonly known = new Map<string, Set<number>>()
  private hasGrown = true

  constructor(
    private readonly rules: readonly Form[],
    private readonly value: string,
  ) {
    while (this.hasGrown) {
      this.hasGrown = false
      rules.forEach((form, number) => {
        for (let from = 0; from <= value.length; from++) {
          const ends = this.endsOf(number, from)
          for (const end of this.ends(form, from)) {
            if (ends.has(end)) continue
            ends.add(end)
            this.hasGrown = true
          }
        }
      })
    }
  }

  get matches(): boolean {
    return this.endsOf(0, 0).has(this.value.length)
  }

  private endsOf(number: number, from: number): Set<number> {
    const key = `${number},${from}`
    let ends = this.known.get(key)
    if (ends === undefined) this.known.set(key, (ends = new Set()))
    return ends
  }

  private ends(form: Form, from: number): ReadonlySet<number> {
    switch (form.kind) {
      case 'text':
        return new Set(this.value.startsWith(form.text, from) ? [from + form.text.length] : [])
      case 'rule':
        return this.endsOf(form.rule, from)
      case 'choice':
        return new Set(form.items.flatMap((item) => [...this.ends(item, from)]))
      case 'sequence':
        return form.items.reduce<ReadonlySet<number>>(
          (starts, item) => new Set([...starts].flatMap((start) => [...this.ends(item, start)])),
          new Set([from]),
        )
      case 'repeat': {
        const ends = new Set<number>()
        let present: ReadonlySet<number> = new Set([from])
        // Further turns than there are characters, and turns that are asked for, come to nothing new.
        for (let turn = 0; turn <= Math.min(form.max, form.min + this.value.length + 1) && present.size > 0; turn++) {
          if (turn >= form.min) for (const end of present) ends.add(end)
          present = new Set([...present].flatMap((start) => [...this.ends(form.item, start)]))
        }
        return ends
      }
      default:
        return form satisfies never
    }
  }
}

const words = (longest: number): string[] => {
  const all = ['']
  for (let i = 0; all[i]!.length < longest; i++) all.push(`${all[i]}a`, `${all[i]}b`)
  return all
}

function agrees(rules: readonly Form[], longest: number): void {
  const texts = words(longest)
  const good = texts.filter((value) => new Recogniser(rules, value).matches)
  let machine: Machine
  try {
    machine = machineOf(rules)
  } catch (error) {
    expect((error as Error).message).toContain('No text matches')
    expect(good).toEqual([])
    return
  }
  expect(texts.filter((value) => matches(machine, value))).toEqual(good)
  // What can be completed is alive, and what is alive can be completed.
  for (const value of texts.filter(({ length }) => length === longest - 1)) {
    const config = follow(machine, value)
    if (good.some((one) => one.startsWith(value))) expect(config).not.toBe(DEAD)
    if (config !== DEAD) expect(canEnd(machine, config)).toBe(true)
  }
}

/** Whether some way leads to an end, by those with the fewest bytes. */
function canEnd(machine: Machine, from: Config): boolean {
  const seen = new Set([from])
  for (const config of seen) {
    if (machine.accepts(config)) return true
    for (const byte of [0x61, 0x62]) {
      const next = machine.step(config, byte)
      if (next !== DEAD) seen.add(next)
    }
    // Ways that go on without an end may hide the ones that end.
    if (seen.size > 2000) return true
  }
  return false
}

const forms = (rules: number): fc.Arbitrary<Form> =>
  fc.letrec<{ form: Form }>((tie) => ({
    form: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'ab', '').map(text) },
      { weight: 4, arbitrary: fc.nat(rules - 1).map(rule) },
      { weight: 3, arbitrary: fc.array(tie('form'), { minLength: 2, maxLength: 3 }).map((items) => sequence(...items)) },
      { weight: 3, arbitrary: fc.array(tie('form'), { minLength: 2, maxLength: 3 }).map((items) => choice(...items)) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(tie('form'), fc.nat(2), fc.constantFrom(0, 1, 2, Infinity))
          .map(([item, min, more]) => repeat(item, min, min + more)),
      },
    ),
  })).form

describe('rules that refer to each other', () => {
  it('match what they are defined to match, whatever they begin with', () => {
    const grammars = fc.integer({ min: 1, max: 4 }).chain((count) => fc.array(forms(count), { minLength: count, maxLength: count }))
    fc.assert(
      fc.property(grammars, (rules) => agrees(rules, 5)),
      { numRuns: Number(process.env['RUNS'] ?? 150), seed: 11 },
    )
  })

  it.each<[string, readonly Form[]]>([
    ['itself', [choice(sequence(rule(0), text('a'), rule(1)), rule(1)), text('b')]],
    ['itself on both sides', [choice(sequence(rule(0), rule(0)), text('a'), text('b'))]],
    ['itself on both sides, or nothing', [choice(sequence(rule(0), rule(0), rule(0)), sequence(rule(0), rule(0)), text('a'), text(''))]],
    [
      'each other',
      [choice(sequence(rule(1), text('a')), text('b')), choice(sequence(rule(2), text('b')), rule(0)), choice(rule(0), rule(1))],
    ],
    ['itself behind what may be empty', [choice(sequence(rule(1), rule(0), text('a')), text('b')), choice(text('a'), text(''))]],
    ['itself behind itself, which may be empty', [choice(sequence(rule(0), rule(1), text('a')), text('')), choice(rule(0), text('b'))]],
    ['itself within a repetition', [choice(sequence(repeat(rule(0), 0), text('a')), text('b'))]],
    ['itself and nothing else', [choice(rule(0), rule(1)), choice(rule(0), text('ab'))]],
    ['what matches nothing', [choice(text('a'), sequence(rule(0), rule(1))), sequence(text('b'), rule(1))]],
  ])('match when they begin with %s', (_, rules) => {
    agrees(rules, 7)
  })
})

describe('what follows', () => {
  const sizeAfter = (machine: Machine, value: string): number => {
    follow(machine, value)
    return machine.size
  }

  it.each<[string, Form, string]>([
    ['end with themselves', choice(text('a'), sequence(text('ab'), rule(0))), 'ab'],
    ['begin with themselves', choice(text('a'), sequence(rule(0), text('ba'))), 'ab'],
    ['begin and end with themselves', choice(text('a'), text('b'), sequence(rule(0), rule(0))), 'ab'],
  ])('does not grow with rules that %s', (_, form, piece) => {
    const machine = machineOf([form])
    const before = sizeAfter(machine, piece.repeat(10))
    expect(sizeAfter(machine, piece.repeat(10_000))).toBe(before)
    expect(matches(machine, `${piece.repeat(10_000)}a`)).toBe(true)
  })

  it('is not told apart by the ways that led to it', () => {
    // 2^n ways to read n times a; each is an end with its own row of b and c.
    const machine = machineOf([choice(text('x'), sequence(text('a'), rule(0), text('b')), sequence(text('a'), rule(0), text('c')))])
    const depth = 300
    const config = follow(machine, `${'a'.repeat(depth)}x${'bc'.repeat(depth / 2)}`)
    expect(machine.accepts(config)).toBe(true)
    expect(machine.size).toBeLessThan(4 * depth)
    expect(matches(machine, `${'a'.repeat(depth)}x${'b'.repeat(depth + 1)}`)).toBe(false)
  })

  it('is found for expressions and chains of rules of any length', () => {
    const length = 20_000
    const nodes = new Nodes()
    const chain = Array.from({ length }, (_, i) => nodes.declare(`r${i}`))
    chain.forEach(({ rule: number }, i) => nodes.define(number, chain[i + 1]?.node ?? nodes.literal('x')))
    const options = Array.from({ length }, (_, i) => nodes.optional(nodes.literal(i % 2 === 0 ? 'a' : 'b')))
    const machine = new Machine(nodes, nodes.sequence(nodes.literal('y'.repeat(length)), ...options, chain[0]!.node))
    expect(matches(machine, `${'y'.repeat(length)}abx`)).toBe(true)
    expect(matches(machine, `${'y'.repeat(length)}x`)).toBe(true)
    expect(matches(machine, `${'y'.repeat(length)}abc`)).toBe(false)
  })
})

describe('repetitions of repetitions', () => {
  it('are one where their counts leave none out', () => {
    const count = fc.tuple(fc.nat(3), fc.constantFrom(0, 1, 2, Infinity)).map(([min, more]) => [min, min + more] as const)
    fc.assert(
      fc.property(count, count, ([min, max], [from, to]) => agrees([repeat(repeat(text('a'), min, max), from, to)], 6)),
      { numRuns: 60, seed: 2 },
    )
    const nodes = new Nodes()
    const letter = nodes.literal('a')
    expect(nodes.repeat(nodes.repeat(letter, 0, 1000), 0, 1000)).toBe(nodes.repeat(letter, 0, 1_000_000))
    expect(nodes.repeat(nodes.repeat(letter, 2), 0)).not.toBe(nodes.repeat(letter, 0))
  })
})

describe('choices of many texts', () => {
  const value = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 5 })

  it('match these and no others', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 12 }), fc.array(value, { minLength: 5, maxLength: 20 }), (texts, others) => {
        const nodes = new Nodes()
        const node = nodes.literals(texts)
        if (texts.length === 0) return void expect(node).toBe(NOTHING)
        const machine = new Machine(nodes, node)
        for (const one of [...texts, ...others]) expect(matches(machine, one)).toBe(texts.includes(one))
      }),
      { numRuns: 200, seed: 3 },
    )
  })

  it('share beginnings and ends', () => {
    const nodes = new Nodes()
    expect(nodes.literals([''])).toBe(EMPTY)
    expect(nodes.literals(['xa1', 'xb1', 'xc1'])).toBe(
      nodes.sequence(nodes.literal('x'), nodes.characters([[0x61, 0x63]]), nodes.literal('1')),
    )
    const ladder = Array.from({ length: 3000 }, (_, i) => 'a'.repeat(i + 1))
    const machine = new Machine(nodes, nodes.literals(ladder))
    expect(matches(machine, 'a'.repeat(3000))).toBe(true)
    expect(matches(machine, 'a'.repeat(3001))).toBe(false)
  })
})
