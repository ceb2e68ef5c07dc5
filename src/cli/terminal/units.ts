/** Figures in a few characters. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const grouped = new Intl.NumberFormat('en-US');

/** How long something has been: `850ms`, `12s`, `4m 05s`, `3h 12m`, `2d 4h`. */
export function formatAge(ms: number): string {
  if (ms < SECOND) return `${Math.floor(ms)}ms`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)}s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m ${twoDigits((ms % MINUTE) / SECOND)}s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)}h ${twoDigits((ms % HOUR) / MINUTE)}m`;
  return `${Math.floor(ms / DAY)}d ${Math.floor((ms % DAY) / HOUR)}h`;
}

/** How long something took, to two digits: `0.41ms`, `3.7ms`, `120ms`, `1.2s`, `45s`, `4m 05s`. */
export function formatTime(ms: number): string {
  if (ms < 1) return `${Number(ms.toFixed(2))}ms`;
  if (ms < 9.95) return `${ms.toFixed(1)}ms`;
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  if (ms < 9950) return `${(ms / SECOND).toFixed(1)}s`;
  return formatAge(ms);
}

/** `0`, `812K`, `62M`, `1.4G`, of 1024. */
export function formatBytes(bytes: number): string {
  const K = 1024;
  if (bytes === 0) return '0';
  if (bytes < K ** 2) return `${Math.round(bytes / K)}K`;
  if (bytes < 999.5 * K ** 2) return `${Math.round(bytes / K ** 2)}M`;
  return `${(bytes / K ** 3).toFixed(1)}G`;
}

/** `12,345`, `1.23M`, `4.56G` */
export function formatCount(count: number): string {
  if (count < 999_999.5) return grouped.format(Math.round(count));
  if (count < 999_995_000) return `${(count / 1e6).toPrecision(3)}M`;
  return `${(count / 1e9).toPrecision(3)}G`;
}

/** Per second: `0.25`, `7.1`, `1,234`. */
export function formatRate(rate: number): string {
  if (rate === 0 || rate >= 9.95) return formatCount(rate);
  return String(Number(rate.toPrecision(2)));
}

export function formatPercent(percent: number): string {
  return `${Math.round(percent)}%`;
}

function twoDigits(number: number): string {
  return String(Math.floor(number)).padStart(2, '0');
}
