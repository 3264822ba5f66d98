import { expect, test } from 'vitest'
import { ConnectionPool } from './connection-pool.ts'

class FakeConnection {
  closed = false
  lose: () => void = () => undefined
  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }
}

function given(maxConnections: number, maxKeepAlive: number): ConnectionPool<FakeConnection> {
  return new ConnectionPool({ maxConnections, maxKeepAlive }, (onIdleLoss) => {
    const connection = new FakeConnection()
    connection.lose = onIdleLoss
    return connection
  })
}

const never = new AbortController().signal

test('no more connections than allowed: the next caller waits for one, in line', async () => {
  const pool = given(1, 1)
  const first = await pool.acquire(never)
  const order: string[] = []
  const second = pool.acquire(never).then((connection) => {
    order.push('second')
    return connection
  })
  const third = pool.acquire(never).then(() => order.push('third'))
  pool.release(first)
  expect(await second).toBe(first)
  pool.release(first)
  await third
  expect([order, pool.size]).toEqual([['second', 'third'], 1])
})

test('idle connections above the number to keep are closed', async () => {
  const pool = given(3, 1)
  const all = await Promise.all([1, 2, 3].map(() => pool.acquire(never)))
  all.forEach((connection) => pool.release(connection))
  expect(all.map(({ closed }) => closed)).toEqual([false, true, true])
  expect([pool.size, pool.idle]).toEqual([1, 1])
})

test('the last used connection is taken first; one that was lost while idle is not taken', async () => {
  const pool = given(3, 3)
  const [a, b] = [await pool.acquire(never), await pool.acquire(never)]
  pool.release(a)
  pool.release(b)
  b.lose()
  expect([await pool.acquire(never), pool.size]).toEqual([a, 1])
  a.lose()
  expect(pool.size).toBe(1)
})

test('who is aborted or finds the pool closed leaves the line with an error', async () => {
  const pool = given(1, 1)
  await pool.acquire(never)
  const abort = new AbortController()
  const waiting = pool.acquire(abort.signal)
  abort.abort()
  await expect(waiting).rejects.toThrow('no connection became free')
  await expect(pool.acquire(abort.signal)).rejects.toThrow('no connection became free')
  const last = pool.acquire(never)
  await Promise.all([pool.close(), expect(last).rejects.toThrow('closed')])
  await expect(pool.acquire(never)).rejects.toThrow('closed')
})
