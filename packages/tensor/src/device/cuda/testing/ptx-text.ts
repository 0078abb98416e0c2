/**
 * PTX text as statements: the part of the language that this package's kernels are printed in. What it does not know it refuses, with the line.
 *
 * Source: NVIDIA, "Parallel Thread Execution ISA", syntax.
 */

/** PTX that the emulator does not take, with its line. */
export class PtxError extends Error {
  constructor(
    readonly line: number,
    message: string,
  ) {
    super(`line ${line}: ${message}`)
    this.name = 'PtxError'
  }
}

/** Types of registers and values: bits, unsigned, signed and floats of a width, and predicates. */
export const registerTypes = [
  'pred',
  'b8',
  'u8',
  's8',
  'b16',
  'u16',
  's16',
  'f16',
  'bf16',
  'b32',
  'u32',
  's32',
  'f32',
  'f16x2',
  'bf16x2',
  'b64',
  'u64',
  's64',
] as const
export type PtxType = (typeof registerTypes)[number]
export const isPtxType = (name: string): name is PtxType => (registerTypes as readonly string[]).includes(name)
/** Bytes of a value; pairs of halves are words. */
export const widthOf = (type: PtxType): number => (type === 'pred' ? 1 : type.endsWith('x2') ? 4 : Number(/\d+$/.exec(type)![0]) / 8)

export type PtxOperand =
  | { readonly kind: 'register'; readonly name: string }
  /** A number; `float` when it was written as one. */
  | { readonly kind: 'immediate'; readonly value: number; readonly float: boolean }
  /** A variable, a label, or a special register such as `%tid.x`. */
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'address'; readonly base: PtxOperand; readonly offset: number }
  | { readonly kind: 'vector'; readonly parts: readonly PtxOperand[] }
  /** `a|b`: two results. */
  | { readonly kind: 'pair'; readonly first: PtxOperand; readonly second: PtxOperand }

export interface PtxInstruction {
  readonly line: number
  /** As it was written. */
  readonly text: string
  readonly guard?: { readonly register: string; readonly negated: boolean }
  readonly opcode: string
  readonly modifiers: readonly string[]
  readonly operands: readonly PtxOperand[]
}

/** An array in shared or local memory. */
export interface PtxVariable {
  readonly name: string
  readonly space: 'shared' | 'local'
  readonly align: number
  /** 0 for memory whose size the launch gives. */
  readonly bytes: number
}

export interface PtxEntry {
  readonly name: string
  readonly line: number
  readonly parameters: readonly string[]
  /** Threads of a block, where the text says how many. */
  readonly threads?: readonly [number, number, number]
  readonly registers: ReadonlyMap<string, PtxType>
  readonly variables: readonly PtxVariable[]
  readonly instructions: readonly PtxInstruction[]
  /** The instruction that each label stands before. */
  readonly labels: ReadonlyMap<string, number>
}

export interface PtxModule {
  /** 70 for 7.0. */
  readonly version: number
  /** 75 for sm_75. */
  readonly target: number
  readonly entries: readonly PtxEntry[]
}

interface Statement {
  readonly text: string
  readonly line: number
  /** What ended it: `;`, or `{` and `}` of blocks, or `:` of labels. */
  readonly end: ';' | '{' | '}' | ':'
}

export function parsePtx(text: string): PtxModule {
  const parser = new Parser(statementsOf(text))
  return parser.module()
}

/** Cuts the text into statements; comments are gone. */
function statementsOf(source: string): Statement[] {
  const text = source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, ' '))
  const statements: Statement[] = []
  let start = 0
  let line = 1
  let lineAtStart = 1
  let braces = 0
  let parentheses = 0
  let blank = true
  const finish = (at: number, end: Statement['end']): void => {
    statements.push({ text: text.slice(start, at).trim(), line: lineAtStart, end })
    start = at + 1
    blank = true
  }
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '\n') {
      // Directives of a module end with their line.
      if (braces === 0 && parentheses === 0 && /^\s*\.(version|target|address_size)\b/.test(text.slice(start, i))) finish(i, ';')
      line++
    }
    const empty = char === ' ' || char === '\n' || char === '\t' || char === '\r'
    if (blank && !empty) lineAtStart = line
    if (char === '(') parentheses++
    else if (char === ')') parentheses--
    else if (char === ';' && braces <= 1) finish(i, ';')
    else if (char === '{') {
      // Behind an instruction's name a brace opens a vector.
      if (!blank && braces > 0) braces++
      else {
        if (braces > 0) throw new PtxError(line, 'blocks inside kernels are not taken')
        braces = 1
        finish(i, '{')
      }
    } else if (char === '}') {
      if (braces === 0) throw new PtxError(line, '} without {')
      braces--
      if (braces === 0) {
        if (!blank) throw new PtxError(lineAtStart, `'${text.slice(start, i).trim()}' has no ;`)
        finish(i, '}')
      }
    } else if (char === ':' && text[i + 1] !== ':' && text[i - 1] !== ':' && /^[\w$%]+$/.test(text.slice(start, i).trim())) finish(i, ':')
    if (i >= start && !empty) blank = false
  }
  const rest = text.slice(start).trim()
  if (rest !== '' || braces > 0) throw new PtxError(line, rest === '' ? '{ without }' : `'${rest}' has no end`)
  return statements
}

class Parser {
  private at = 0

  constructor(private readonly statements: readonly Statement[]) {}

  module(): PtxModule {
    let version: number | undefined
    let target: number | undefined
    const external: PtxVariable[] = []
    const entries: PtxEntry[] = []
    while (this.at < this.statements.length) {
      const { text, line, end } = this.statements[this.at++]!
      const [head] = /^\.\w+/.exec(text) ?? ['']
      if (head === '.version') version = Math.round(Number(text.slice(8)) * 10)
      else if (head === '.target') {
        const found = /^\.target\s+sm_(\d+)a?$/.exec(text)
        if (found === null) throw new PtxError(line, `'${text}': expected .target sm_NN`)
        target = Number(found[1])
      } else if (head === '.address_size') {
        if (!text.endsWith('64')) throw new PtxError(line, 'addresses have 64 bits')
      } else if (head === '.extern') external.push(variableOf(text.slice(7).trim(), line))
      else if ((head === '.visible' || head === '.entry') && end === '{') entries.push(this.entry(text, line, external))
      else throw new PtxError(line, `'${text}' is not taken at the level of a module`)
    }
    if (version === undefined || target === undefined) throw new PtxError(1, 'a module begins with .version and .target')
    return { version, target, entries }
  }

  private entry(head: string, headLine: number, external: readonly PtxVariable[]): PtxEntry {
    const found = /^(?:\.visible\s+)?\.entry\s+([\w$%]+)\s*\(([^)]*)\)\s*([\s\S]*)$/.exec(head)
    if (found === null) throw new PtxError(headLine, `'${head}' is no entry`)
    const parameters = found[2]!
      .split(',')
      .map((text) => text.trim())
      .filter((text) => text !== '')
      .map((text) => {
        const parameter = /^\.param\s+\.[ub]64\s+([\w$%]+)$/.exec(text)
        if (parameter === null) throw new PtxError(headLine, `'${text}': parameters are addresses, .param .u64`)
        return parameter[1]!
      })
    let threads: readonly [number, number, number] | undefined
    for (const directive of found[3]!.split(/(?=\.\w)/).map((text) => text.trim())) {
      const size = /^\.reqntid\s+([\d,\s]+)$/.exec(directive)
      if (size !== null) {
        const [x = 1, y = 1, z = 1] = size[1]!.split(',').map(Number)
        threads = [x, y, z]
      } else if (directive !== '' && !/^\.(maxntid|minnctapersm|maxnreg)\b/.test(directive))
        throw new PtxError(headLine, `'${directive}' is not taken`)
    }
    const registers = new Map<string, PtxType>()
    const variables: PtxVariable[] = [...external]
    const instructions: PtxInstruction[] = []
    const labels = new Map<string, number>()
    for (;;) {
      const statement = this.statements[this.at++]!
      const { text, line, end } = statement
      if (end === '}') break
      if (end === ':') {
        if (labels.has(text)) throw new PtxError(line, `label ${text} stands twice`)
        labels.set(text, instructions.length)
      } else if (text.startsWith('.reg')) declareRegisters(text, line, registers)
      else if (/^\.(shared|local)\b/.test(text)) variables.push(variableOf(text, line))
      else if (text.startsWith('.pragma')) continue
      else if (text !== '') instructions.push(instructionOf(text, line, registers))
    }
    return {
      name: found[1]!,
      line: headLine,
      parameters,
      ...(threads === undefined ? {} : { threads }),
      registers,
      variables,
      instructions,
      labels,
    }
  }
}

function declareRegisters(text: string, line: number, registers: Map<string, PtxType>): void {
  const found = /^\.reg\s+\.(\w+)\s+(.+)$/.exec(text)
  const type = found?.[1] ?? ''
  if (found === null || !isPtxType(type)) throw new PtxError(line, `'${text}': registers of this type are not taken`)
  const declare = (name: string): void => {
    if (registers.has(name)) throw new PtxError(line, `register ${name} is declared twice`)
    registers.set(name, type)
  }
  for (const item of found[2]!.split(',').map((part) => part.trim())) {
    const many = /^([\w$%]+)<(\d+)>$/.exec(item)
    if (many === null) declare(item)
    else for (let i = 0; i < Number(many[2]); i++) declare(`${many[1]}${i}`)
  }
}

function variableOf(text: string, line: number): PtxVariable {
  const found = /^\.(shared|local)(?:\s+\.align\s+(\d+))?\s+\.(\w+)\s+([\w$%]+)\s*(?:\[(\d*)\])?$/.exec(text)
  if (found === null || !isPtxType(found[3]!)) throw new PtxError(line, `'${text}' is no variable that is taken`)
  const width = widthOf(found[3])
  const count = found[5] === undefined ? 1 : found[5] === '' ? 0 : Number(found[5])
  return { name: found[4]!, space: found[1] as 'shared', align: Number(found[2] ?? width), bytes: count * width }
}

function instructionOf(text: string, line: number, registers: ReadonlyMap<string, PtxType>): PtxInstruction {
  const found = /^(?:@(!?)([\w$%]+)\s+)?([a-z]\w*)((?:\.[\w:]+)*)(?:\s+([\s\S]*))?$/.exec(text)
  if (found === null) throw new PtxError(line, `'${text}' is no instruction`)
  const [, negated, guard, opcode, modifiers, operands] = found
  if (guard !== undefined && registers.get(guard) !== 'pred') throw new PtxError(line, `${guard} is no predicate`)
  return {
    line,
    text,
    ...(guard === undefined ? {} : { guard: { register: guard, negated: negated === '!' } }),
    opcode: opcode!,
    modifiers: modifiers!.split('.').slice(1),
    operands: splitTop(operands ?? '').map((operand) => operandOf(operand, line, registers)),
  }
}

/** Splits at the commas that are in no bracket. */
function splitTop(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= text.length; i++) {
    const char = text[i]
    if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') depth--
    else if ((char === ',' && depth === 0) || char === undefined) {
      parts.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  return parts.length === 1 && parts[0] === '' ? [] : parts
}

const floats = new Float32Array(1)
const words = new Uint32Array(floats.buffer)

function operandOf(text: string, line: number, registers: ReadonlyMap<string, PtxType>): PtxOperand {
  const nested = (part: string): PtxOperand => operandOf(part, line, registers)
  if (text.startsWith('{') && text.endsWith('}')) return { kind: 'vector', parts: splitTop(text.slice(1, -1)).map(nested) }
  if (text.startsWith('[') && text.endsWith(']')) {
    const found = /^([\w$%.]+?)\s*(?:\+\s*(-?\w+))?$/.exec(text.slice(1, -1).trim())
    if (found === null) throw new PtxError(line, `'${text}' is no address`)
    const offset = found[2] === undefined ? 0 : Number(found[2])
    if (!Number.isInteger(offset)) throw new PtxError(line, `'${text}' has no whole offset`)
    return { kind: 'address', base: nested(found[1]!), offset }
  }
  const pair = /^([\w$%]+)\s*\|\s*([\w$%]+)$/.exec(text)
  if (pair !== null) return { kind: 'pair', first: nested(pair[1]!), second: nested(pair[2]!) }
  if (registers.has(text)) return { kind: 'register', name: text }
  if (/^0[fF][0-9a-fA-F]{8}$/.test(text)) {
    words[0] = Number.parseInt(text.slice(2), 16)
    return { kind: 'immediate', value: floats[0]!, float: true }
  }
  if (/^-?(0x[0-9a-fA-F]+|\d+)U?$/.test(text)) {
    const digits = text.replace(/U$/, '')
    const value = digits.startsWith('-') ? -Number(digits.slice(1)) : Number(digits)
    if (!Number.isSafeInteger(value)) throw new PtxError(line, `${text} has more than 53 bits`)
    return { kind: 'immediate', value, float: false }
  }
  if (/^-?\d+\.\d*([eE][-+]?\d+)?$/.test(text)) return { kind: 'immediate', value: Math.fround(Number(text)), float: true }
  if (/^[A-Za-z_$%][\w$]*(\.[xyz])?$/.test(text)) {
    if (/^%(r|f|p|rd|h|rs|b|hh)\d+$/.test(text)) throw new PtxError(line, `register ${text} is not declared`)
    return { kind: 'symbol', name: text }
  }
  throw new PtxError(line, `'${text}' is no operand`)
}
