/** Which members an object may have, worked out of its shape: each with what its value has to be, and which of those that are wanted it may be. */
import { otherNames } from './complement.js'
import { bytesOf, compareBytes } from '../bytes.js'
import { Beyond } from './beyond.js'
import { meetStrings, NEVER, type MemberLayer, type ObjectShape, type StringShape, type Sub, type Subs } from './shapes.js'

/** A member that has to be there, whatever its name, may be this one, if its value is so. */
interface Way {
  readonly sub: Sub
  /** Bits of the wanted ones that it is then. */
  readonly fulfils: number
}

export interface NamedMember {
  readonly name: string
  /** The name with its quotes. */
  readonly written: Uint8Array
  readonly isRequired: boolean
  readonly ways: readonly Way[]
}

/** Members of which only the form of the name is known. */
export interface OtherMember {
  readonly names: StringShape
  readonly ways: readonly Way[]
}

export interface Members {
  readonly named: readonly NamedMember[]
  readonly others: readonly OtherMember[]
  readonly min: number
  readonly max: number
  /** Bits of all that are wanted. */
  readonly wanted: number
  /** Numbers of the named ones that are required. */
  readonly required: readonly number[]
  /** Numbers of the named ones in the order of their bytes. */
  readonly sorted: readonly number[]
  /** An end is reached whichever come, as long as the required ones do. */
  readonly isSimple: boolean
}

/** Forms of names whose combinations are told apart. */
const MOST_FORMS = 6
/** Members that have to be there whatever their name, of one object. */
const MOST_WANTED = 6

export interface MemberTools {
  readonly subs: Subs
  readonly isOfShape: (names: StringShape, name: string) => boolean
  readonly isEmptyName: (names: StringShape) => boolean
  readonly isEmpty: (sub: Sub) => boolean
}

/** @throws Beyond for more forms of names than can be told apart */
export function membersOf(shape: ObjectShape, tools: MemberTools): Members {
  const { subs, isOfShape, isEmptyName, isEmpty } = tools
  const { layers, required, wanted, min, max } = shape
  if (wanted.length > MOST_WANTED) throw new Beyond('not', `asks for more than ${MOST_WANTED} members whose names are not said`)
  const names = new Set<string>()
  for (const { named, formed } of layers) {
    for (const name of named.keys()) names.add(name)
    for (const { names: form } of formed) form.values?.forEach((name) => names.add(name))
  }
  for (const { names: form } of wanted) form.values?.forEach((name) => names.add(name))
  for (const name of required) names.add(name)
  const waysOf = (sub: Sub, mayBe: readonly number[]): Way[] => {
    const ways: Way[] = isEmpty(sub) ? [] : [{ sub, fulfils: 0 }]
    if (ways.length === 0) return ways
    for (let set = 1; set < 1 << mayBe.length; set++) {
      const chosen = mayBe.filter((_, i) => (set >> i) & 1)
      const own = subs.all([sub, ...chosen.map((k) => wanted[k]!.sub)])
      if (!isEmpty(own)) ways.push({ sub: own, fulfils: chosen.reduce((bits, k) => bits | (1 << k), 0) })
    }
    return ways
  }
  const needs = new Set(required)
  const named = [...names].map((name): NamedMember => {
    const sub = subs.all(layers.map((layer) => namedSub(layer, name, subs, isOfShape)))
    const mayBe = wanted.flatMap(({ names: form }, k) => (isOfShape(form, name) ? [k] : []))
    return { name, written: bytesOf(JSON.stringify(name)), isRequired: needs.has(name), ways: waysOf(sub, mayBe) }
  })
  const needed = named.flatMap(({ isRequired }, i) => (isRequired ? [i] : []))
  return {
    named,
    others: othersOf(),
    min,
    max,
    wanted: (1 << wanted.length) - 1,
    required: needed,
    sorted: named.map((_, i) => i).sort((a, b) => compareBytes(named[a]!.written, named[b]!.written)),
    isSimple: min === 0 && max === Infinity && wanted.length === 0 && needed.every((i) => named[i]!.ways.length > 0),
  }

  function othersOf(): OtherMember[] {
    const forms = [
      ...new Set([...layers.flatMap(({ formed }) => formed.map((one) => one.names)), ...wanted.map((one) => one.names)]),
    ].filter(({ values }) => values === undefined)
    if (forms.length > MOST_FORMS) throw new Beyond('patternProperties', `tells apart more than ${MOST_FORMS} forms of names`)
    const known = [...names]
    const groups = new Map<string, { sub: Sub; mayBe: number[]; sets: { yes: StringShape[]; no: StringShape[] }[] }>()
    for (let set = 0; set < 1 << forms.length; set++) {
      const yes = forms.filter((_, i) => (set >> i) & 1)
      const no = forms.filter((form) => !yes.includes(form))
      const sub = subs.all(
        layers.map(({ formed, rest }) => {
          const own = formed.filter(({ names: form }) => yes.includes(form))
          return own.length === 0 ? rest : subs.all(own.map((one) => one.sub))
        }),
      )
      if (sub === NEVER) continue
      const mayBe = wanted.flatMap(({ names: form }, k) => (yes.includes(form) ? [k] : []))
      const key = `${sub} ${mayBe.join()}`
      const group = groups.get(key) ?? { sub, mayBe, sets: [] }
      group.sets.push({ yes, no })
      groups.set(key, group)
    }
    return [...groups.values()].flatMap(({ sub, mayBe, sets }) => {
      const ways = waysOf(sub, mayBe)
      if (ways.length === 0) return []
      // Where it is the same for all forms, only the names that have a place of their own are left out.
      if (sets.length === 1 << forms.length) return otherNames(known, []).map((form) => ({ names: form, ways }))
      return sets.flatMap(({ yes, no }) =>
        otherNames(known, no)
          .map((form) => yes.reduce((all: StringShape | undefined, one) => all && meetStrings(all, one), form))
          .filter((form) => form !== undefined)
          .filter((form) => !isEmptyName(form))
          .map((form) => ({ names: form, ways })),
      )
    })
  }
}

function namedSub({ named, formed, rest }: MemberLayer, name: string, subs: Subs, isOfShape: MemberTools['isOfShape']): Sub {
  const own = named.get(name)
  if (own !== undefined) return own
  const forms = formed.filter(({ names }) => isOfShape(names, name))
  return forms.length === 0 ? rest : subs.all(forms.map(({ sub }) => sub))
}

/** Where an object stands that is being written. */
export interface MemberState {
  /** Numbers of the named members that have come. */
  readonly done: ReadonlySet<number>
  /** Others that have come, as many as matter. */
  readonly others: number
  /** Bits of the wanted ones that have come. */
  readonly fulfilled: number
}

export const noMembers: MemberState = { done: new Set(), others: 0, fulfilled: 0 }

/** Whether an object may end so. Others may have the same name, so that they are one at least. */
export function mayEnd({ required, min, max, wanted }: Members, { done, others, fulfilled }: MemberState): boolean {
  const least = done.size + Math.min(others, 1)
  if (least < min || done.size + others > max || fulfilled !== wanted) return false
  return required.every((i) => done.has(i))
}

/** Whether an object can go on to an end, with members of those that may still come. */
export function canEnd(members: Members, state: MemberState, mayCome: (named: number) => boolean): boolean {
  const { named, others, min, max, wanted, required } = members
  const missing = required.filter((i) => !state.done.has(i))
  if (!missing.every((i) => mayCome(i) && named[i]!.ways.length > 0)) return false
  if (min === 0 && max === Infinity && wanted === 0) return true
  const used = state.done.size + state.others
  const room = max - used
  if (room < missing.length) return false
  const free = named.flatMap(({ isRequired, ways }, i) => (!isRequired && !state.done.has(i) && mayCome(i) && ways.length > 0 ? [i] : []))
  const reachable = state.done.size + missing.length + free.length + (state.others > 0 || others.length > 0 ? 1 : 0)
  if (reachable < min) return false
  // What is wanted: by those that have to come anyhow, then by as few others as do. A named one comes once, others as often as one likes.
  let reached = new Map([[state.fulfilled, 0]])
  const add = (to: Map<number, number>, bits: number, count: number): void => {
    if (count < (to.get(bits) ?? Infinity)) to.set(bits, count)
  }
  for (const i of missing) {
    const next = new Map<number, number>()
    for (const [bits, count] of reached) for (const { fulfils } of named[i]!.ways) add(next, bits | fulfils, count)
    reached = next
  }
  for (const i of wanted === 0 ? [] : free) {
    const next = new Map(reached)
    for (const [bits, count] of reached) for (const { fulfils } of named[i]!.ways) add(next, bits | fulfils, count + 1)
    reached = next
  }
  for (let turn = 0; turn < MOST_WANTED && wanted !== 0; turn++)
    for (const [bits, count] of [...reached])
      for (const { ways } of others) for (const { fulfils } of ways) add(reached, bits | fulfils, count + 1)
  return (reached.get(wanted) ?? Infinity) <= room - missing.length
}
