/** An API's own document, as far as requests are made of it and answers are held against it. */
import { Compile } from 'typebox/schema'

/** A JSON Schema, as far as values are made of it. */
export type Schema = {
  readonly $ref?: string
  readonly type?: string
  readonly pattern?: string
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
}

export type Parameter = {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: Schema
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>

type Described = {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}

type Text = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

/** One method of one path. */
export type Operation = Described & {
  readonly method: string
  /** With `{name}` for each parameter. */
  readonly path: string
}

type Check = (value: unknown) => boolean

export class Document {
  readonly operations: readonly Operation[]
  readonly #components: Text['components']
  readonly #checks = new Map<Schema, Check>()

  constructor(text: Text) {
    this.#components = text.components
    this.operations = Object.entries(text.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) =>
        Object.assign({}, described, { method: method.toUpperCase(), path }),
      ),
    )
  }

  /** Fetches it from where the program has it. */
  static async of(address: string): Promise<Document> {
    const response = await fetch(`${address}/api-docs/openapi.json`)
    return new Document((await response.json()) as Text)
  }

  /** What a request asks for, if the document knows it. */
  find(method: string, target: string): Operation | undefined {
    const asked = method === 'HEAD' ? 'GET' : method
    const segments = decodeSegments(target)
    return this.operations.find((one) => {
      const wanted = one.path.split('/')
      return (
        one.method === asked &&
        // Of a stream without end there is no head alone.
        !(method === 'HEAD' && one.responses['200']?.content?.['text/event-stream']) &&
        wanted.length === segments?.length &&
        wanted.every((want, at) => {
          const segment = segments[at] ?? ''
          return want.startsWith('{') ? segment !== '' : want === segment
        })
      )
    })
  }

  /** Whether a value is what a schema of this document says. */
  isValid(schema: Schema, value: unknown): boolean {
    let check = this.#checks.get(schema)
    if (!check) {
      const compiled = Compile({ components: this.#components, ...schema })
      check = (one) => compiled.Check(one)
      this.#checks.set(schema, check)
    }
    return check(value)
  }

  /** The same for a schema that the document has under a name. */
  is(name: string, value: unknown): boolean {
    const schema = this.#components.schemas[name]
    if (!schema) throw new Error(`the document has no schema ${name}`)
    return this.isValid(schema, value)
  }
}

/** `undefined` where it cannot be read. */
function decodeSegments(target: string): readonly string[] | undefined {
  const [path = ''] = target.split(/[?#]/)
  try {
    return path.split('/').map((segment) => decodeURIComponent(segment))
  } catch {
    return undefined
  }
}
