/** What a kernel did wrong, as the emulator saw it. */
export type FaultKind =
  | 'address' // memory that is not the kernel's: past an array's end, freed, or none
  | 'misaligned'
  | 'race' // shared memory that another thread wrote or reads without a barrier between
  | 'uninitialised' // memory read that nobody wrote
  | 'barrier' // threads that wait for others which never come
  | 'warp' // threads of a warp that do different things where all have to do the same
  | 'wide' // 64-bit arithmetic beyond 53 bits, which numbers of JavaScript do not hold
  | 'trap'
  | 'endless' // a loop that goes on beyond the number of turns allowed

export class KernelFault extends Error {
  constructor(
    readonly kind: FaultKind,
    /** Of the PTX text, from 1 on. */
    readonly line: number,
    readonly thread: readonly [number, number, number],
    readonly block: readonly [number, number, number],
    message: string,
  ) {
    super(message)
    this.name = 'KernelFault'
  }
}
