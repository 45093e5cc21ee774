/** nginx with configurations of docs/nginx/, other addresses put in. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { CertificateFiles } from './certificates.ts'
import { ensureCommand } from './debian.ts'

/** Why there is none here; `false` if there is one. */
export const noNginx: string | false = (await ensureCommand('nginx', 'nginx-light')) ?? false

const docs = join(import.meta.dirname, '..', '..', 'docs', 'nginx')

export type Front = {
  /** File of docs/nginx/. */
  readonly file: string
  /** Where it listens, with TLS. */
  readonly port: number
  /** What is behind it. */
  readonly address: string
}

/** Starts it in a directory that is made; it ends when it is disposed of. */
export async function startNginx(
  directory: string,
  { TLS_CERT, TLS_KEY }: CertificateFiles,
  fronts: readonly Front[],
): Promise<AsyncDisposable> {
  await mkdir(directory)
  const configured = await Promise.all(
    fronts.map(async ({ file, port, address }) =>
      (await readFile(join(docs, file), 'utf8'))
        .replace(/listen \d+ ssl/, `listen 127.0.0.1:${port} ssl`)
        .replace(/127\.0\.0\.1:[59]000;/, `${new URL(address).host};`)
        .replace(/(ssl_certificate_key +).*;/, `$1${TLS_KEY};`)
        .replace(/(ssl_certificate +).*;/, `$1${TLS_CERT};`),
    ),
  )
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(directory, name)};`,
  )
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const main = join(directory, 'nginx.conf')
  await writeFile(
    main,
    [
      `daemon off; ${user} pid ${join(directory, 'pid')}; error_log stderr; worker_processes 1;`,
      'events {}',
      `http { access_log off; ${places.join(' ')}`,
      ...configured,
      '}',
    ].join('\n'),
  )
  const child = spawn('nginx', ['-e', 'stderr', '-p', directory, '-c', main], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = text(child.stderr)
  const ended = once(child, 'close')
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
      if (child.exitCode !== 0) throw new Error(`nginx ended badly: ${await said}`)
    },
  }
}
