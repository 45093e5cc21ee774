/** One part of a multipart body. The content of a file has to be read before the next part comes. */
export type Part =
  | { readonly kind: 'field'; readonly name: string; readonly value: string }
  | {
      readonly kind: 'file'
      /** The name of the form's field; empty if there is none. */
      readonly field: string
      /** As the sender gives it; not to be trusted. */
      readonly filename: string
      readonly content: AsyncIterable<Uint8Array>
    }
