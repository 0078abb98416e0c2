/** The AI SDK's versions that models here are held to. */
import * as ai6 from 'ai'
import * as ai7 from 'ai7'

/** What is used of them has the same types in both, which the tests' own types check; a union of functions could not be called. */
export const aiSdks = [
  ['ai 6', ai6],
  ['ai 7', ai7 as unknown as typeof ai6],
] as const
