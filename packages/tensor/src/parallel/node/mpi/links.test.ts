import { connect, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Calls } from '../../calls.js'
import { channelOver, listen, openLinks, type Link } from './links.js'

const doors = (count: number): Promise<Awaited<ReturnType<typeof listen>>[]> =>
  Promise.all(Array.from({ length: count }, () => listen(false)))

describe('links', () => {
  it('connect each two, whoever else knocks', async () => {
    const all = await doors(3)
    const contacts = all.map(({ contact }) => contact)
    const strangers = contacts.map(({ port }) => connect(port, '127.0.0.1'))
    // One says nothing, one guesses, one claims the right rank without the secret.
    strangers[1]!.write('hello\n')
    strangers[2]!.write(`${'0'.repeat(32)} 2\n`)
    const left = strangers.map(
      (socket) =>
        new Promise((resolve) =>
          socket
            .on('error', () => undefined)
            .once('close', resolve)
            .resume(),
        ),
    )
    const links = await Promise.all(all.map((door, rank) => openLinks({ rank, contacts, door, deadlineMs: 5000 })))
    expect(links.map((one) => [...one.keys()].sort())).toEqual([
      [1, 2],
      [0, 2],
      [0, 1],
    ])
    const groups = links.map((own, rank) => join(own, rank, 3))
    await Promise.all(groups.map((calls) => calls.run('barrier', {}, () => undefined)))
    await Promise.all(groups.map((calls) => calls.close({}, () => undefined)))
    await Promise.all(left)
  })

  it('name the rank that cannot be reached, and why', async () => {
    const [zero, one] = (await doors(2)) as [Awaited<ReturnType<typeof listen>>, Awaited<ReturnType<typeof listen>>]
    zero.close()
    const away = openLinks({ rank: 1, contacts: [{ ...zero.contact, addresses: [] }, one.contact], door: one, deadlineMs: 300 })
    await expect(away).rejects.toMatchObject({
      code: 'PEER',
      problem: 'late',
      ranks: [0],
      message: expect.stringContaining('ECONNREFUSED'),
    })
    const [door] = (await doors(1)) as [Awaited<ReturnType<typeof listen>>]
    const nobody = openLinks({ rank: 0, contacts: [door.contact, door.contact], door, deadlineMs: 50 })
    await expect(nobody).rejects.toMatchObject({
      ranks: [1],
      message: expect.stringMatching(/no connection with rank 1 on .* within 0\.05 s/),
    })
  })

  it("try another address where somebody else's process answers", async ({ skip }) => {
    skip(process.platform !== 'linux', 'only Linux has a second loopback address')
    const [zero, one] = (await doors(2)) as [Awaited<ReturnType<typeof listen>>, Awaited<ReturnType<typeof listen>>]
    const other = createServer((socket) => void socket.end('welcome\n').on('error', () => undefined))
    await new Promise<void>((resolve) => other.listen(zero.contact.port, '127.0.0.2', resolve))
    // On another host by its name, so that its addresses are tried in order.
    const contacts = [{ ...zero.contact, host: 'elsewhere', addresses: ['127.0.0.2', '127.0.0.1'] }, one.contact]
    const links = await Promise.all([zero, one].map((door, rank) => openLinks({ rank, contacts, door, deadlineMs: 5000 })))
    const groups = links.map((own, rank) => join(own, rank, 2))
    await Promise.all(groups.map((calls) => calls.close({}, () => undefined)))
    other.close()
  })

  it('tell at once of an end that has gone', async () => {
    const both = await doors(2)
    const contacts = both.map(({ contact }) => contact)
    const [mine, theirs] = await Promise.all(both.map((door, rank) => openLinks({ rank, contacts, door, deadlineMs: 5000 })))
    const calls = join(mine!, 0, 2)
    const waiting = calls.run('barrier', {}, () => undefined)
    theirs!.get(0)!.end()
    await expect(waiting).rejects.toMatchObject({
      code: 'PEER',
      problem: 'gone',
      ranks: [1],
      message: expect.stringContaining('(during call 1, barrier)'),
    })
    await calls.close({}, () => undefined)
  })
})

function join(links: ReadonlyMap<number, Link>, rank: number, size: number): Calls {
  const calls = new Calls(rank, size, 5000)
  calls.attach(channelOver(links, calls))
  return calls
}
