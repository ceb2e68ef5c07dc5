/** Ms that a worker whose master has died gets to finish: with the time to notice it, it is gone within 2 s. */
export const orphanGrace = 1200;
