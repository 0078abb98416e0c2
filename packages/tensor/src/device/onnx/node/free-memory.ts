import { freemem } from 'node:os'

/** Bytes that this process can still have: what the system has free, or what its container leaves it. */
export function freeMemory(): number {
  // Not every runtime that calls itself Node has it.
  const { availableMemory } = process as Partial<Pick<NodeJS.Process, 'availableMemory'>>
  return availableMemory === undefined ? freemem() : availableMemory.call(process)
}
