/**
 * Characters of strangers that a terminal would act upon, or that make a line look like another one:
 * control characters, line breaks of any kind, and what turns the direction of writing.
 */
const unseen = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/** Those that JSON leaves as they are. */
const unseenInJson = /[\u007f-\u009f\p{Bidi_Control}\u2028\u2029]/gu

/** The same text with such characters as `\u001b`. */
export function showUnseen(text: string): string {
  return text.replaceAll(unseen, escaped)
}

/** The same JSON: such characters are in its strings alone. */
export function showUnseenInJson(json: string): string {
  return json.replaceAll(unseenInJson, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
