/** The filter, read as the kernel reads it, for both architectures. */
import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { suite, test } from 'node:test'
import { seccompProgram } from './seccomp.ts'
import { architectures, numberOf } from './system-calls.ts'
import type { Architecture, SystemCall } from './system-calls.ts'

const { EPERM, ENOSYS, EAFNOSUPPORT } = constants.errno
const allowed = 0x7fff0000
const killed = 0x80000000
const fails = (code: number) => 0x00050000 | code

/** What the program says of a call; runs at most once over it, as the kernel demands. */
function ask(program: Buffer, audit: number, number: number, args: readonly number[] = []): number {
  const data = new Map([
    [0, number],
    [4, audit],
    ...args.map((arg, index) => [16 + 8 * index, arg] as const),
  ])
  let accumulator = 0
  for (let at = 0; at < program.length; at += 8) {
    const value = program.readUInt32LE(at + 4)
    const jump = (is: boolean) => (at += 8 * program.readUInt8(at + (is ? 2 : 3)))
    const code = program.readUInt16LE(at)
    if (code === 0x20) accumulator = data.get(value) ?? 0
    else if (code === 0x15) jump(accumulator === value)
    else if (code === 0x35) jump(accumulator >= value)
    else if (code === 0x45) jump((accumulator & value) !== 0)
    else if (code === 0x06) return value
    else throw new Error(`instruction ${code}`)
  }
  throw new Error('it falls off its end')
}

for (const architecture of Object.keys(architectures) as Architecture[]) {
  void suite(`the filter for ${architecture}`, () => {
    const program = seccompProgram(architecture)
    const { audit } = architectures[architecture]
    const call = (name: SystemCall, ...args: readonly number[]) => {
      const number = numberOf(name, architecture)
      assert.ok(number !== undefined)
      return ask(program, audit, number, args)
    }

    test('refuses what changes the system, and says that clone3 is not there', () => {
      for (const name of ['mount', 'unshare', 'setns', 'ptrace', 'bpf', 'keyctl'] as const) {
        assert.equal(call(name), fails(EPERM), name)
      }
      assert.equal(call('clone3'), fails(ENOSYS))
      assert.equal(call('io_uring_setup'), fails(ENOSYS))
    })

    test('gives no part of what all of the machine shares: requests of asynchronous I/O', () => {
      assert.equal(call('io_setup', 60_000), fails(ENOSYS))
    })

    test('lets files be asked for, but not be held against whoever opens them next', () => {
      const [setLease, setFlags] = [1024, 4]
      assert.equal(call('fcntl', 1, setLease, 1), fails(EPERM))
      assert.equal(call('fcntl', 1, setFlags, 0x800), allowed)
    })

    test('lets threads and processes be made, and no namespaces', () => {
      assert.equal(call('clone', 0x003d0f00), allowed, 'a thread')
      assert.equal(call('clone', 0x01200011), allowed, 'a process')
      for (const shift of [17, 25, 26, 27, 28, 29, 30]) {
        assert.equal(call('clone', (1 << shift) | 17), fails(EPERM), `flag ${shift}`)
      }
    })

    test('lets files be asked for anything, but terminals not be typed into', () => {
      assert.equal(call('ioctl', 0, 0x5413), allowed, 'TIOCGWINSZ')
      for (const request of [0x5412, 0x541c]) {
        assert.equal(call('ioctl', 0, request), fails(EPERM))
      }
    })

    test('knows four families of sockets', () => {
      for (const name of ['socket', 'socketpair'] as const) {
        for (const family of [1, 2, 10, 16]) assert.equal(call(name, family), allowed)
        for (const family of [0, 17, 38, 40]) {
          assert.equal(call(name, family), fails(EAFNOSUPPORT), `family ${family}`)
        }
      }
    })

    test('lets what it does not name pass, of this architecture alone', () => {
      assert.equal(ask(program, audit, 1), allowed)
      assert.equal(ask(program, audit, 0x40000000), fails(ENOSYS), 'x32')
      assert.equal(ask(program, 0x40000003, 0), killed, 'i386')
      assert.ok(program.length / 8 < 4096, 'longer than the kernel takes')
    })
  })
}
