/** Options of the jobs that `ph` itself makes: those of schedules, and of `ph enqueue`. */

const day = 24 * 60 * 60;

/** What is over is kept for a while, to be looked at, and not for ever: it takes the server's memory. */
export const kept = {
  removeOnComplete: { age: day, count: 10_000 },
  removeOnFail: { age: 7 * day, count: 10_000 },
};
