declare module 'postject' {
  /** Puts `content` into the executable at `path`, and flips the fuse that says it is there. */
  export function inject(
    path: string,
    name: string,
    content: Buffer,
    options: { readonly sentinelFuse: string },
  ): Promise<void>
}
