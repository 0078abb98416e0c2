import { describe, expect, it } from 'vitest'
import { AbortedError, throwIfAborted } from './abort.js'
import { TesseraeError } from './errors.js'

describe('TesseraeError', () => {
  it('carries its code, message, name and cause', () => {
    class ShapeError extends TesseraeError {}
    const cause = new Error('below')
    const error = new ShapeError('SHAPE', 'wrong', { cause })
    expect(error).toMatchObject({ code: 'SHAPE', message: 'wrong', name: 'ShapeError', cause })
    expect(error).toBeInstanceOf(Error)
    expect('cause' in new TesseraeError('X', 'y')).toBe(false)
  })

  it('is recognised across copies of the package, and nothing else is', () => {
    const foreign = { [Symbol.for('tesserae.error')]: true }
    expect(TesseraeError.isInstance(foreign)).toBe(true)
    expect(TesseraeError.isInstance(new TesseraeError('X', 'y'))).toBe(true)
    for (const other of [new Error('x'), null, undefined, 'x', {}]) expect(TesseraeError.isInstance(other)).toBe(false)
  })
})

describe('throwIfAborted', () => {
  it('passes without a signal and while it is not aborted', () => {
    throwIfAborted(undefined)
    throwIfAborted(new AbortController().signal)
  })

  it('throws an AbortError that says what was aborted and why', () => {
    const controller = new AbortController()
    controller.abort('user left')
    let thrown: unknown
    try {
      throwIfAborted(controller.signal, 'Training')
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(AbortedError)
    expect(thrown).toMatchObject({ name: 'AbortError', code: 'ABORTED', cause: 'user left', message: 'Training was aborted by its signal' })
  })
})
