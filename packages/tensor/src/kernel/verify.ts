import { TensorError } from '../errors.js'
import { bindingCount, typeBytes, type Expr, type Kernel, type KernelCaps, type MatrixElement, type Stmt, type Variable } from './ir.js'

/** Threads of the subgroups that multiply matrices. */
const MATRIX_THREADS = 32

/**
 * Checks what types alone do not: that the device can do what the kernel asks, that every name is set before it is read, that loads and subgroup operations stand
 * where their order is certain, and that all threads of a workgroup come to every barrier or none does. What it accepts prints as valid WGSL and PTX.
 *
 * @throws TensorError `KERNEL`, with the kernel's name, at the first thing that is wrong
 */
export function verifyKernel(kernel: Kernel, caps: KernelCaps): void {
  const fail = (message: string): never => {
    throw new TensorError('KERNEL', `kernel ${kernel.name}: ${message}`)
  }
  const { workgroup, storages, shared } = kernel
  const threads = workgroup[0] * workgroup[1] * workgroup[2]
  if (workgroup.some((size) => !Number.isInteger(size) || size < 1)) fail(`a workgroup of ${workgroup.join('x')} threads`)
  if (threads > caps.maxInvocations || workgroup.some((size, axis) => size > caps.maxWorkgroup[axis]!))
    fail(
      `a workgroup of ${workgroup.join('x')} threads; the device allows ${caps.maxInvocations}, ${caps.maxWorkgroup.join('x')} along the axes`,
    )
  const bindings = bindingCount(storages)
  if (bindings > caps.maxBindings)
    fail(
      `${storages.length} arrays in memory${bindings > storages.length ? ` in ${bindings} ranges` : ''}; the device allows ${caps.maxBindings}`,
    )
  for (const { name, ranges, rangeLength } of storages)
    if (!(Number.isInteger(ranges) && ranges >= 1 && (ranges === 1 || (Number.isInteger(rangeLength) && rangeLength >= 1))))
      fail(`${name} is bound in ${ranges} ranges of ${rangeLength} elements`)
  const bytes = shared.reduce((sum, { element, length }) => sum + typeBytes(element) * length, 0)
  if (bytes > caps.sharedBytes) fail(`${bytes} bytes of shared memory; the device has ${caps.sharedBytes}`)
  if (!caps.f16 && [...storages, ...shared].some(({ element }) => element.scalar === 'f16')) fail('uses f16, which the device has not')

  const known = new Set<Variable>()
  /** Variables that may have different values in the threads of one workgroup. */
  const varying = new Set<Variable>()
  const arrays = new Set<object>([...storages, ...shared])
  const uniforms = new Set<object>(kernel.uniforms)

  const wantsMatrices = (of?: MatrixElement): void => {
    if (caps.mma === undefined || (of !== undefined && !caps.mma.includes(of)))
      fail(`uses matrices${of === undefined ? '' : ` of ${of}`}; the device multiplies ${caps.mma?.join(', ') ?? 'none'}`)
    if (threads % MATRIX_THREADS !== 0) fail(`uses matrices with ${threads} threads; subgroups of ${MATRIX_THREADS} have to be whole`)
  }

  const visit = (expr: Expr, isRoot: boolean): void => {
    if (!caps.f16 && expr.type.scalar === 'f16') fail('uses f16, which the device has not')
    const { node } = expr
    switch (node.kind) {
      case 'variable':
        if (!known.has(node.variable)) fail(`${node.variable.name} is read where it is not set`)
        return
      case 'uniform':
        if (!uniforms.has(node.uniform)) fail(`${node.uniform.name} is a uniform of another kernel`)
        return
      case 'load':
        if (!isRoot) fail(`a load of ${node.array.name} inside another expression; bind it with let`)
        if (!arrays.has(node.array)) fail(`${node.array.name} is an array of another kernel`)
        break
      case 'commonLoad':
        if (!isRoot) fail(`a load of ${node.array.name} inside another expression; bind it with let`)
        if (!arrays.has(node.array)) fail(`${node.array.name} is an array of another kernel`)
        if (isVarying(node.index)) fail(`a common load of ${node.array.name} at an index that threads of a workgroup may see differently`)
        break
      case 'subgroup':
        if (!isRoot) fail(`subgroup ${node.op} inside another expression; bind it with let`)
        if (!caps.subgroups) fail(`subgroup ${node.op} on a device without subgroups`)
        break
      case 'halves':
        wantsMatrices(node.of)
        break
      case 'matrices':
        if (!isRoot) fail('a load of matrices inside another expression; bind it with let')
        if (!arrays.has(node.array)) fail(`${node.array.name} is an array of another kernel`)
        wantsMatrices()
        break
      case 'builtin':
        if (node.name === 'subgroupLane' && !caps.subgroups) fail('subgroupLane on a device without subgroups')
        return
      default:
        break
    }
    for (const part of partsOf(expr)) visit(part, false)
  }

  const isVarying = (expr: Expr): boolean => {
    const { node } = expr
    if (node.kind === 'variable') return varying.has(node.variable)
    if (node.kind === 'builtin') return node.name !== 'workgroupId' && node.name !== 'workgroups'
    if (node.kind === 'commonLoad') return false
    // What memory holds may have been written by another thread at another time; what a subgroup gives is its own.
    if (node.kind === 'load' || node.kind === 'subgroup' || node.kind === 'matrices') return true
    return partsOf(expr).some(isVarying)
  }

  const run = (statements: readonly Stmt[], apart: boolean): void => {
    const mine: Variable[] = []
    const set = (variable: Variable): void => {
      if (known.has(variable)) fail(`${variable.name} is set twice`)
      known.add(variable)
      mine.push(variable)
    }
    for (const statement of statements) {
      switch (statement.kind) {
        case 'let':
        case 'var':
          visit(statement.value, true)
          if (statement.value.node.kind === 'subgroup' && apart)
            fail(`subgroup ${statement.value.node.op} where only some threads of a workgroup may come by`)
          if (statement.value.node.kind === 'matrices' && apart)
            fail('a load of matrices where only some threads of a workgroup may come by')
          if (statement.value.node.kind === 'commonLoad' && apart)
            fail(`a common load of ${statement.value.node.array.name} where only some threads of a workgroup may come by`)
          set(statement.variable)
          if (apart || isVarying(statement.value)) varying.add(statement.variable)
          break
        case 'assign':
          visit(statement.value, false)
          if (!known.has(statement.variable)) fail(`${statement.variable.name} is assigned where it is not set`)
          if (!statement.variable.mutable) fail(`${statement.variable.name} is assigned, and is no variable`)
          if (apart || isVarying(statement.value)) varying.add(statement.variable)
          break
        case 'store':
        case 'atomicAdd':
          visit(statement.index, false)
          visit(statement.value, false)
          if (!arrays.has(statement.array)) fail(`${statement.array.name} is an array of another kernel`)
          break
        case 'if': {
          visit(statement.condition, false)
          const inside = apart || isVarying(statement.condition)
          run(statement.yes, inside)
          run(statement.no, inside)
          break
        }
        case 'for': {
          const { from, to, step, variable, body } = statement
          for (const bound of [from, to, step]) visit(bound, false)
          if (step.node.kind === 'const' && !(Number(step.node.value) > 0))
            fail(`for ${variable.name} never ends: its step is ${Number(step.node.value)}`)
          // A variable that the body changes by thread is such from its beginning on, so bodies are looked at until no more are found.
          const bounds = apart || [from, to, step].some(isVarying)
          known.add(variable)
          for (let before = -1; before !== varying.size;) {
            before = varying.size
            if (bounds) varying.add(variable)
            markVarying(body, bounds)
          }
          run(body, bounds)
          known.delete(variable)
          break
        }
        case 'barrier':
          if (apart) fail('a barrier where only some threads of a workgroup may come by')
          break
        case 'multiplyMatrices': {
          const { sum, a, b, of } = statement
          wantsMatrices(of)
          if (apart) fail('a product of matrices where only some threads of a workgroup may come by')
          visit(a, false)
          visit(b, false)
          if (!known.has(sum)) fail(`${sum.name} is added to where it is not set`)
          varying.add(sum)
          break
        }
        case 'copyAsync':
          if (caps.copyAsync !== true) fail('copies while threads go on, which the device does not')
          for (const part of [statement.at, statement.index, statement.present]) visit(part, false)
          for (const { name } of [statement.to, statement.from].filter((array) => !arrays.has(array)))
            fail(`${name} is an array of another kernel`)
          break
        case 'groupCopies':
        case 'waitCopies':
          if (caps.copyAsync !== true) fail('copies while threads go on, which the device does not')
          break
        case 'storeHalf':
          if (caps.storeHalf !== true) fail(`stores halves of ${statement.array.name}, which the device does not`)
          visit(statement.index, false)
          visit(statement.value, false)
          if (!arrays.has(statement.array)) fail(`${statement.array.name} is an array of another kernel`)
          break
        default:
          statement satisfies never
      }
    }
    for (const variable of mine) known.delete(variable)
  }

  /** What a loop's body makes different between threads, without any check. */
  const markVarying = (statements: readonly Stmt[], apart: boolean): void => {
    for (const statement of statements) {
      if (statement.kind === 'let' || statement.kind === 'var' || statement.kind === 'assign') {
        if (apart || isVarying(statement.value)) varying.add(statement.variable)
      } else if (statement.kind === 'multiplyMatrices') {
        varying.add(statement.sum)
      } else if (statement.kind === 'if') {
        const inside = apart || isVarying(statement.condition)
        markVarying(statement.yes, inside)
        markVarying(statement.no, inside)
      } else if (statement.kind === 'for') {
        const inside = apart || [statement.from, statement.to, statement.step].some(isVarying)
        if (inside) varying.add(statement.variable)
        markVarying(statement.body, inside)
      }
    }
  }

  run(kernel.body, false)
}

/** The expressions that an expression is made of. */
export function partsOf({ node }: Expr): readonly Expr[] {
  switch (node.kind) {
    case 'unary':
    case 'convert':
    case 'bitcast':
    case 'lane':
    case 'subgroup':
      return [node.x]
    case 'half':
      return [node.plain]
    case 'binary':
      return [node.a, node.b]
    case 'fma':
      return [node.a, node.b, node.c]
    case 'select':
      return [node.condition, node.yes, node.no]
    case 'halves':
      return [node.low, node.high]
    case 'vector':
      return node.parts
    case 'load':
    case 'commonLoad':
    case 'matrices':
      return [node.index]
    default:
      return []
  }
}
