/** What a schema says by a keyword is more than can be held to. */
export class Beyond extends Error {
  constructor(
    readonly keyword: string,
    message: string,
  ) {
    super(message)
  }
}
