import { checkSource, MAX_DEPTH, templateError, type TemplateLimits } from './limits.js'
import { pythonStrip, type StripSide } from './python-strip.js'
import type { Jinja, JinjaNode, JinjaScope, JinjaValue } from './jinja.js'

/** A node that was evaluated already. */
interface Evaluated extends JinjaNode {
  readonly type: 'Evaluated'
  readonly value: JinjaValue
}

interface Call extends JinjaNode {
  readonly callee: JinjaNode & {
    readonly value?: unknown
    readonly object?: JinjaNode
    readonly property?: JinjaNode & { readonly value?: unknown }
    readonly computed?: boolean
  }
  readonly args: readonly JinjaNode[]
}

interface KeywordArgument extends JinjaNode {
  readonly value: JinjaNode
}

/** What makes texts or lists of any size, or takes time beyond the size of what it is given, is looked at before it is done. */
const GUARDED = new Set(['replace', 'join', 'indent', 'tojson', 'split', 'center', 'ljust', 'rjust', 'zfill', 'wordwrap'])
const WIDEST = 256
/** What a round of a loop counts as, before what it does. */
const STEPS_OF_A_SCOPE = 8
const WORK_BETWEEN_LOOKS = 256
/** Templates count messages and tools. */
const MAX_RANGE = 100_000
/** What templates mean by these is Python's; the interpreter's own go by JavaScript's white space and whatever is passed. */
const STRIPS: ReadonlyMap<string, StripSide> = new Map([
  ['strip', 'both'],
  ['lstrip', 'left'],
  ['rstrip', 'right'],
])
/** Characters that a search may compare. */
const MAX_COMPARISONS = 2e8

/**
 * Runs a template of a stranger. The interpreter has no access to JavaScript's objects: it knows texts, numbers, lists and maps of its own. Here every node counts
 * as a step, every value that comes about is measured, and what could take long within one step is checked before.
 *
 * @throws TokenizerError `TEMPLATE` for a template that is malformed, fails, calls `raise_exception`, or goes beyond a limit
 */
export function renderTemplate(
  jinja: Jinja,
  source: string,
  variables: Readonly<Record<string, unknown>>,
  { steps: maxSteps = 1e6, output = 4e6, time = 500 }: TemplateLimits = {},
): string {
  checkSource(source)
  const scope = new jinja.Environment()
  const bounded = { output, deadline: Date.now() + time }
  for (const [name, value] of Object.entries({ ...globals(bounded), ...variables })) scope.set(name, value)
  const weights = new WeakMap<JinjaValue, number>()
  let steps = 0
  let depth = 0
  // Work since the clock was looked at: a step, an entry of a new list, or some hundred characters.
  let work = 0
  const did = (amount: number): void => {
    work += amount
    if (work < WORK_BETWEEN_LOOKS) return
    work = 0
    if (Date.now() > bounded.deadline) fail(`takes longer than ${time} ms`)
  }

  const weigh = (value: JinjaValue): number => {
    const content = value.value
    if (typeof content === 'string') {
      did(content.length >> 8)
      return content.length
    }
    if (typeof content !== 'object' || content === null || value.type === 'Namespace') return 1
    let weight = weights.get(value)
    if (weight === undefined) {
      weight = 1
      // What made the list took its time too, in one step.
      const entries = Array.isArray(content) ? content.length : content instanceof Map ? content.size : 0
      steps += entries
      did(entries)
      if (Array.isArray(content)) for (const entry of content as JinjaValue[]) weight += weigh(entry) + 1
      else if (content instanceof Map)
        for (const [key, entry] of content as Map<string, JinjaValue>) weight += String(key).length + weigh(entry)
      weights.set(value, weight)
    }
    return weight
  }
  const measured = (value: JinjaValue): JinjaValue => {
    // A namespace can change, so its size is never certain; it cannot be written out.
    if (value?.type === 'NamespaceValue') {
      value.type = 'Namespace'
      Object.defineProperty(value, 'toString', { value: () => fail('a namespace is not written out') })
    } else if (value !== undefined && weigh(value) > output) fail(`makes a value of more than ${output} characters`)
    return value
  }

  class Bounded extends jinja.Interpreter {
    override evaluate(node: JinjaNode | undefined, at: JinjaScope): JinjaValue {
      if (node?.type === 'Evaluated') return (node as Evaluated).value
      if (++steps > maxSteps) fail(`takes more than ${maxSteps} steps`)
      did(1)
      if (++depth > MAX_DEPTH) fail(`goes more than ${MAX_DEPTH} levels deep`)
      try {
        const ready = node === undefined ? node : this.guarded(node, at)
        return ready?.type === 'Evaluated' ? measured((ready as Evaluated).value) : measured(super.evaluate(ready, at))
      } finally {
        depth--
      }
    }

    /** The node with what it works on evaluated and looked at, where it needs that. */
    private guarded(node: JinjaNode, at: JinjaScope): JinjaNode {
      if (node.type === 'BinaryExpression') return this.search(node as never, at)
      if (node.type === 'For') return this.loop(node as never, at)
      if (node.type === 'FilterExpression') {
        const { filter, operand } = node as unknown as { filter: Call & { value?: unknown }; operand: JinjaNode }
        const name = String(filter.type === 'CallExpression' ? filter.callee.value : filter.value)
        if (!GUARDED.has(name) && name !== 'trim') return node
        const value = this.evaluate(operand, at)
        const args = this.evaluated(filter.args ?? [], at)
        if (name === 'trim') return stripped(value, 'both', args) ?? ({ ...node, operand: known(value) } as JinjaNode)
        checkCall(name, value, valuesOf(args), output, weigh)
        return { ...node, operand: known(value), filter: filter.args === undefined ? filter : { ...filter, args } } as JinjaNode
      }
      if (node.type === 'CallExpression') {
        const { callee, args } = node as Call
        const name = String(callee.property?.value)
        const side = STRIPS.get(name)
        if (callee.type !== 'MemberExpression' || callee.computed === true || (side === undefined && !GUARDED.has(name))) return node
        const value = this.evaluate(callee.object, at)
        const ready = this.evaluated(args, at)
        const done = side === undefined ? undefined : stripped(value, side, ready)
        if (done !== undefined) return done
        checkCall(name, value, valuesOf(ready), output, weigh)
        return { ...node, callee: { ...callee, object: known(value) }, args: ready } as JinjaNode
      }
      return node
    }

    /** A scope is made for every element before the first round, which takes as long as some steps do, and no clock is looked at meanwhile. */
    private loop(node: JinjaNode & { readonly iterable: JinjaNode & { readonly lhs?: JinjaNode } }, at: JinjaScope): JinjaNode {
      const { iterable } = node
      const selects = iterable.type === 'SelectExpression'
      const list = this.evaluate(selects ? iterable.lhs : iterable, at)
      if (Array.isArray(list.value)) steps += list.value.length * STEPS_OF_A_SCOPE
      if (steps > maxSteps) fail(`takes more than ${maxSteps} steps`)
      if (Date.now() > bounded.deadline) fail(`takes longer than ${time} ms`)
      return { ...node, iterable: selects ? { ...iterable, lhs: known(list) } : known(list) } as JinjaNode
    }

    /** `x in y` compares up to |x|·|y| characters, `**` and `~` are measured by what they give. */
    private search(
      node: JinjaNode & { readonly operator: { readonly value: string }; readonly left: JinjaNode; readonly right: JinjaNode },
      at: JinjaScope,
    ): JinjaNode {
      if (node.operator.value !== 'in' && node.operator.value !== 'not in') return node
      const [left, right] = [this.evaluate(node.left, at), this.evaluate(node.right, at)]
      if (typeof left.value === 'string' && weigh(left) * weigh(right) > MAX_COMPARISONS)
        fail('looks for a text in another, which are both too long')
      return { ...node, left: known(left), right: known(right) } as JinjaNode
    }

    private evaluated(args: readonly JinjaNode[], at: JinjaScope): JinjaNode[] {
      return args.map((arg) => {
        if (arg.type === 'SpreadExpression' || arg.type === 'KeywordSpreadExpression')
          fail('passes a list of arguments where their sizes have to be known')
        if (arg.type !== 'KeywordArgumentExpression') return known(this.evaluate(arg, at))
        return { ...arg, value: known(this.evaluate((arg as KeywordArgument).value, at)) } as JinjaNode
      })
    }
  }

  try {
    const program = programOf(jinja, source)
    const text = new Bounded(scope).run(program).value
    if (typeof text !== 'string') throw templateError('does not give a text')
    return text
  } catch (error) {
    if (error instanceof Error && (error as { code?: unknown }).code === 'TEMPLATE') throw error
    if (error instanceof RangeError) throw templateError('is nested too deeply or makes a text too long', error)
    const said = error instanceof Error ? error.message : String(error)
    throw templateError(said === '' ? 'failed, and does not say why' : said, error)
  }
}

function programOf(jinja: Jinja, source: string): JinjaNode {
  try {
    return jinja.parse(jinja.tokenize(source, { lstrip_blocks: true, trim_blocks: true }))
  } catch (error) {
    // The parser reads on behind the end.
    if (error instanceof TypeError)
      throw templateError('ends where more has to come; is an {% if %}, a {% for %} or an expression not closed?', error)
    throw error
  }
}

const known = (value: JinjaValue): Evaluated => ({ type: 'Evaluated', value })

/** The value without characters at its ends; undefined for what is no text, or not to be stripped of one. */
function stripped(value: JinjaValue, side: StripSide, args: readonly JinjaNode[]): Evaluated | undefined {
  const [chars] = valuesOf(args)
  const given = chars?.value ?? undefined
  if (typeof value.value !== 'string' || (given !== undefined && typeof given !== 'string')) return undefined
  const Text = value.constructor as new (text: string) => JinjaValue
  return known(new Text(pythonStrip(value.value, side, given)))
}

const valuesOf = (args: readonly JinjaNode[]): JinjaValue[] =>
  args.map((arg) => (arg.type === 'Evaluated' ? (arg as Evaluated).value : ((arg as KeywordArgument).value as Evaluated).value))

function fail(what: string): never {
  throw templateError(what)
}

/** Refuses a call whose result or time would be out of proportion. */
function checkCall(
  name: string,
  operand: JinjaValue,
  args: readonly JinjaValue[],
  output: number,
  weigh: (value: JinjaValue) => number,
): void {
  const size = weigh(operand)
  const [first, second] = args
  for (const { value } of args)
    if (typeof value === 'number' && Math.abs(value) > WIDEST && name !== 'split' && name !== 'replace')
      fail(`${name} is asked for a width of ${value}`)
  let result = 0
  if (name === 'join' && first !== undefined) result = size + weigh(first) * (Array.isArray(operand.value) ? operand.value.length : size)
  else if (name === 'indent') result = typeof operand.value === 'string' ? size + operand.value.split('\n').length * WIDEST : size
  else if (name === 'tojson')
    result = size * (1 + args.reduce((sum, arg) => sum + (typeof arg.value === 'number' ? arg.value : weigh(arg)), 0) / 4)
  else if (
    name === 'replace' &&
    typeof operand.value === 'string' &&
    typeof first?.value === 'string' &&
    typeof second?.value === 'string'
  ) {
    if (first.value.length * size > MAX_COMPARISONS) fail('replaces a text in another, which are both too long')
    const times = first.value === '' ? size + 1 : operand.value.split(first.value).length - 1
    result = size + times * second.value.length
  } else if (name === 'split' && typeof first?.value === 'string' && first.value.length * size > MAX_COMPARISONS) {
    fail('splits a text at another, which are both too long')
  }
  if (result > output) fail(`${name} would make a text of more than ${output} characters`)
}

/** What every template can use, besides what it is given. */
function globals({ output }: { readonly output: number }): Record<string, unknown> {
  return {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    raise_exception: (message: unknown) => fail(`raises the error ${JSON.stringify(String(message))}`),
    range: (start: unknown, stop?: unknown, step: unknown = 1) => range(start, stop, step, output),
  }
}

function range(start: unknown, stop: unknown, step: unknown, most: number): number[] {
  const [from, to] = stop === undefined || stop === null ? [0, start] : [start, stop]
  if (![from, to, step].every(Number.isSafeInteger) || step === 0) return fail('range takes whole numbers, and a step that is not 0')
  const [first, last, by] = [from, to, step] as [number, number, number]
  const length = Math.max(0, Math.ceil((last - first) / by))
  if (length > MAX_RANGE || length * 2 > most) return fail(`range would give ${length} numbers, more than ${Math.min(MAX_RANGE, most / 2)}`)
  return Array.from({ length }, (_, i) => first + i * by)
}
