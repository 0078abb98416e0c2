/** What is none of some shapes. */
import {
  anyArray,
  anyNumber,
  anyObject,
  anyString,
  NEVER,
  ANY,
  type ArrayShape,
  type Contains,
  type ItemLayer,
  type MemberLayer,
  type NumberShape,
  type ObjectShape,
  type StringShape,
  meetStrings,
  type Subs,
} from './shapes.js'

/** The ways in which a number is not of a shape. */
export function otherNumbers(shape: NumberShape): NumberShape[] {
  const { min, max, aboveMin, belowMax, isWhole, multiples, notMultiples, values, notValues } = shape
  const ways: NumberShape[] = []
  if (min > -Infinity) ways.push({ ...anyNumber, max: min, belowMax: !aboveMin })
  if (max < Infinity) ways.push({ ...anyNumber, min: max, aboveMin: !belowMax })
  if (isWhole !== undefined) ways.push({ ...anyNumber, isWhole: !isWhole })
  for (const one of multiples) ways.push({ ...anyNumber, notMultiples: [one] })
  for (const one of notMultiples) ways.push({ ...anyNumber, multiples: [one] })
  if (values !== undefined) ways.push({ ...anyNumber, notValues: values })
  if (notValues.length > 0) ways.push({ ...anyNumber, values: notValues })
  return ways
}

export function otherStrings(shape: StringShape): StringShape[] {
  const { min, max, rules, notRules, values, notValues } = shape
  const ways: StringShape[] = []
  if (min > 0) ways.push({ ...anyString, max: min - 1 })
  if (max < Infinity) ways.push({ ...anyString, min: max + 1 })
  for (const one of rules) ways.push({ ...anyString, notRules: [one] })
  for (const one of notRules) ways.push({ ...anyString, rules: [one] })
  if (values !== undefined) ways.push({ ...anyString, notValues: values })
  if (notValues.length > 0) ways.push({ ...anyString, values: notValues })
  return ways
}

/** Undefined where it cannot be said: that items are not all different. */
export function otherArrays(shape: ArrayShape, subs: Subs): ArrayShape[] | undefined {
  const { min, max, layers, contains, isUnique } = shape
  if (isUnique) return undefined
  const ways: ArrayShape[] = []
  const containing = (one: Contains): void => void ways.push({ ...anyArray, contains: [one] })
  if (min > 0) ways.push({ ...anyArray, max: min - 1 })
  if (max < Infinity) ways.push({ ...anyArray, min: max + 1 })
  for (const { first, rest } of layers) {
    first.forEach((sub, i) => {
      if (sub === ANY) return
      const at: ItemLayer = { first: [...first.slice(0, i).map(() => ANY), subs.not(sub)], rest: ANY }
      ways.push({ ...anyArray, min: i + 1, layers: [at] })
    })
    if (rest === NEVER) ways.push({ ...anyArray, min: first.length + 1 })
    else if (rest !== ANY) containing({ sub: subs.not(rest), min: 1, max: Infinity, from: first.length })
  }
  for (const one of contains) {
    if (one.min > 0) containing({ ...one, min: 0, max: one.min - 1 })
    if (one.max < Infinity) containing({ ...one, min: one.max + 1, max: Infinity })
  }
  return ways
}

export function otherObjects(shape: ObjectShape, subs: Subs): ObjectShape[] {
  const { min, max, layers, required, wanted } = shape
  const ways: ObjectShape[] = []
  const withLayer = (layer: Partial<MemberLayer>): void =>
    void ways.push({ ...anyObject, layers: [{ named: new Map(), formed: [], rest: ANY, ...layer }] })
  if (min > 0) ways.push({ ...anyObject, max: min - 1 })
  if (max < Infinity) ways.push({ ...anyObject, min: max + 1 })
  for (const name of required) withLayer({ named: new Map([[name, NEVER]]) })
  for (const { named, formed, rest } of layers) {
    for (const [name, sub] of named)
      if (sub !== ANY)
        ways.push({ ...anyObject, required: [name], layers: [{ named: new Map([[name, subs.not(sub)]]), formed: [], rest: ANY }] })
    for (const { names, sub } of formed) if (sub !== ANY) ways.push({ ...anyObject, wanted: [{ names, sub: subs.not(sub) }] })
    if (rest !== ANY)
      for (const names of otherNames(
        [...named.keys()],
        formed.map((one) => one.names),
      ))
        ways.push({ ...anyObject, wanted: [{ names, sub: subs.not(rest) }] })
  }
  for (const { names, sub } of wanted) withLayer({ formed: [{ names, sub: subs.not(sub) }] })
  return ways
}

/** Names that are none of some, and of none of some forms. */
export function otherNames(named: readonly string[], formed: readonly StringShape[]): StringShape[] {
  let ways: StringShape[] = [named.length === 0 ? anyString : { ...anyString, notValues: named }]
  for (const form of formed) {
    const others = otherStrings(form)
    ways = ways.flatMap((way) => others.map((other) => meetStrings(way, other)).filter((one) => one !== undefined))
  }
  return ways
}
