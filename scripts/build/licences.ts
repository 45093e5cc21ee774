/** The licences of the packages whose code is built in, as text. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltIn } from './packages.ts'

/** Where the text of a licence is, for packages that bring none of their own; from which words on. */
const standard: Readonly<Record<string, readonly [file: string, from: string]>> = {
  MIT: ['LICENSE', 'Permission is hereby granted'],
  'Apache-2.0': ['node_modules/typescript/LICENSE', 'Apache License'],
}

const line = '-'.repeat(80)

/** @throws when there is no text of a licence. */
export async function licenceTexts(root: string, packages: readonly BuiltIn[]): Promise<string> {
  const parts = await Promise.all(packages.map((one) => textOf(root, one)))
  return parts.join(`\n${line}\n\n`)
}

async function textOf(root: string, { name, version, licence, texts }: BuiltIn): Promise<string> {
  const own = texts.join('\n\n')
  const isWhole = own.length > 500
  const body = isWhole ? own : `${own}\n\n${await standardText(root, licence)}`.trim()
  return `${name} ${version} (${licence})\n\n${body}\n`
}

async function standardText(root: string, licence: string): Promise<string> {
  const [file = '', from = ''] = standard[licence] ?? []
  const text = file && (await readFile(join(root, file), 'utf8'))
  const start = text.indexOf(from)
  if (!text || start < 0) throw new Error(`there is no text of the licence ${licence}`)
  return text.slice(start).trim()
}
