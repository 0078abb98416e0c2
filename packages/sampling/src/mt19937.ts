/**
 * The Mersenne Twister with 32-bit output, the generator of C++'s `std::mt19937`, NumPy's legacy random state and PyTorch on the CPU: for results that are to be those of programs in these.
 * Everything else here draws from Philox.
 *
 * Source: M. Matsumoto, T. Nishimura, "Mersenne Twister", ACM Transactions on Modeling and Computer Simulation 8(1), 1998, with the initialisation of 2002.
 */
const [SIZE, MIDDLE] = [624, 397]

export class Mt19937 {
  private readonly words = new Uint32Array(SIZE)
  private index = SIZE

  /** @param seed taken modulo 2^32 */
  constructor(seed: number) {
    this.words[0] = seed >>> 0
    for (let i = 1; i < SIZE; i++) {
      const before = this.words[i - 1]! ^ (this.words[i - 1]! >>> 30)
      this.words[i] = Math.imul(before, 1812433253) + i
    }
  }

  /** The next word. */
  uint32(): number {
    if (this.index === SIZE) this.twist()
    let word = this.words[this.index++]!
    word ^= word >>> 11
    word ^= (word << 7) & 0x9d2c5680
    word ^= (word << 15) & 0xefc60000
    return (word ^ (word >>> 18)) >>> 0
  }

  private twist(): void {
    const { words } = this
    for (let i = 0; i < SIZE; i++) {
      const joined = (words[i]! & 0x80000000) | (words[(i + 1) % SIZE]! & 0x7fffffff)
      words[i] = words[(i + MIDDLE) % SIZE]! ^ (joined >>> 1) ^ ((joined & 1) === 0 ? 0 : 0x9908b0df)
    }
    this.index = 0
  }
}
