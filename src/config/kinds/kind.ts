/** What all kinds of values have in common. */

/** How the text of a value becomes a typed value. */
export interface Kind<T> {
  /** What is accepted, in the words of the documentation. */
  readonly label: string;
  /**
   * @param directory relative paths count from it
   * @throws {ValueError} the text is none of this kind
   */
  parse(text: string, directory: string): T;
  /** Of paths: the text with its path made absolute, so that references to it mean the same everywhere. */
  absolute?(text: string, directory: string): string;
}

/** A text that is not of the expected kind; the message says what is expected. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
}

/** The error for `text`, which must not be a secret. */
export function unexpected(expected: string, text: string): ValueError {
  return new ValueError(`expected ${expected}, not ${text === '' ? 'an empty value' : JSON.stringify(text)}`);
}
