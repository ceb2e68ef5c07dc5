/** How the values of options are written as the texts that the kinds of `ph.ini` read. */

export interface Form {
  /** undefined: the value is not of the form's JavaScript type. */
  write(value: unknown): string | undefined;
  /** What is accepted, in Markdown, for a kind of that label. */
  describe(label: string): string;
}

/** Integers, and `'auto'` where the kind has it. */
export const count: Form = {
  write: value => (typeof value === 'number' || value === 'auto' ? String(value) : undefined),
  describe: label => `an ${quoteWords(label)}`,
};

/** Durations: numbers, as JavaScript counts them. */
export const milliseconds: Form = {
  write: value => (typeof value === 'number' ? `${value}ms` : undefined),
  describe: label => `a ${label.replace('duration', 'number of milliseconds')}, at most 24 days`,
};

export const bytes: Form = {
  write: value => (typeof value === 'number' || typeof value === 'string' ? String(value) : undefined),
  describe: label => `a ${label}, in bytes or as a text such as \`'256M'\``,
};

/** One of some words. */
export const word: Form = {
  write: value => (typeof value === 'string' ? value : undefined),
  describe: label => `one of ${quoteWords(label)}`,
};

export const text: Form = {
  write: value => (typeof value === 'string' ? value : undefined),
  describe: () => 'a text that is not empty',
};

function quoteWords(label: string): string {
  return label.replace(/`(.+?)`/g, "`'$1'`");
}
