/** How values are written. Unknown is always `UNKNOWN`, never 0. */

export const UNKNOWN = '–';

export type Kind =
  | 'text'
  | 'count'
  | 'bytes'
  | 'bytes_per_second'
  | 'seconds'
  | 'milliseconds'
  | 'ratio'
  | 'percent'
  | 'per_second'
  | 'time'
  | 'bool'
  | 'list'
  | 'level'
  | 'sql'
  | 'queryid'
  | 'remedy'
  | 'id'
  | 'lsn';

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

function digits(value: number, significant: number): string {
  const size = Math.abs(value);
  const places = size >= 100 ? 0 : size >= 10 ? Math.max(0, significant - 2) : significant - 1;
  const text = value.toFixed(places);
  return places > 0 ? text.replace(/\.?0+$/, '') : text;
}

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.95 would be written as 1024 of the smaller unit.
  while (Math.abs(value) >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${digits(value, 3)} ${BYTE_UNITS[unit]}`;
}

/** Seconds in two units at most: `4.2 ms`, `9.5 s`, `3m 20s`, `2h 5m`, `3d 4h`, `2.5 y`. */
export function formatDuration(seconds: number): string {
  const sign = seconds < 0 ? '-' : '';
  const s = Math.abs(seconds);
  if (s === 0) return '0 s';
  if (s < 0.0000005) return `${sign}<1 µs`;
  if (s < 0.0009995) return `${sign}${digits(s * 1e6, 3)} µs`;
  if (s < 0.9995) return `${sign}${digits(s * 1e3, 3)} ms`;
  if (s < 59.95) return `${sign}${s < 10 ? digits(s, 2) : Math.round(s)} s`;
  const whole = Math.round(s);
  const two = (a: number, x: string, b: number, y: string) => `${sign}${a}${x}${b > 0 ? ` ${b}${y}` : ''}`;
  if (whole < 3600) return two(Math.floor(whole / 60), 'm', whole % 60, 's');
  const minutes = Math.round(s / 60);
  if (minutes < 1440) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'm');
  const hours = Math.round(s / 3600);
  if (hours < 24 * 365) return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
  return `${sign}${digits(s / (365.25 * 86400), 2)} y`;
}

/** An age for a footer: whole seconds, so that it does not jitter. */
export function formatAge(seconds: number): string {
  return seconds < 60 ? `${Math.max(0, Math.floor(seconds))} s` : formatDuration(Math.floor(seconds));
}

export function formatCount(value: number): string {
  const size = Math.abs(value);
  if (size < 1) return value === 0 ? '0' : digits(value, 3);
  if (size < 100 && !Number.isInteger(value)) return digits(value, 3);
  if (size < 99_999.5) return Math.round(value).toLocaleString('en-US');
  for (const [limit, unit] of [
    [999.5e3, 'k'],
    [999.5e6, 'M'],
    [999.5e9, 'G'],
  ] as const) {
    if (size < limit) return `${digits(value / { k: 1e3, M: 1e6, G: 1e9 }[unit], 3)} ${unit}`;
  }
  return size < 999.5e12 ? `${digits(value / 1e12, 3)} T` : value.toExponential(2);
}

export function formatRatio(ratio: number): string {
  const percent = ratio * 100;
  if (percent === 0) return '0 %';
  if (Math.abs(percent) < 0.01) return percent > 0 ? '<0.01 %' : '>-0.01 %';
  // 99.996 % is not 100 %: what is missing is the news.
  if (percent < 100 && percent > 99.99) return '>99.99 %';
  return `${digits(percent, percent > 99 && percent < 100 ? 4 : 3)} %`;
}

/** A place in the WAL, counted in bytes, as the server writes it. */
export function formatLsn(bytes: number): string {
  const low = bytes % 2 ** 32;
  return `${((bytes - low) / 2 ** 32).toString(16)}/${low.toString(16)}`.toUpperCase();
}

export function formatValue(value: number | null | undefined, kind: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  switch (kind) {
    case 'bytes':
      return formatBytes(value);
    case 'bytes_per_second':
      return `${formatBytes(value)}/s`;
    case 'seconds':
      return formatDuration(value);
    case 'milliseconds':
      return formatDuration(value / 1000);
    case 'seconds_per_second':
      return `${formatDuration(value)}/s`;
    case 'ratio':
      return formatRatio(value);
    case 'percent':
      return formatRatio(value / 100);
    case 'per_second':
      return `${formatCount(value)}/s`;
    case 'lsn':
      return formatLsn(value);
    case 'id':
      return String(value);
    default:
      return formatCount(value);
  }
}

/** What a counter's rate is counted in. */
export function rateOf(unit: string): string {
  return { bytes: 'bytes_per_second', seconds: 'seconds_per_second', count: 'per_second' }[unit] ?? unit;
}

/** A moment, in the reader's time zone or UTC; the zone is always said. */
export function formatTime(iso: string | number, zone: 'local' | 'utc', withDate = true): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  return new Intl.DateTimeFormat('en-GB', {
    ...(withDate ? { year: 'numeric', month: '2-digit', day: '2-digit' } : {}),
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
    ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
  }).format(date);
}

const WORDS: Record<string, string> = {
  xid: 'XID',
  mxid: 'MXID',
  wal: 'WAL',
  io: 'I/O',
  id: 'ID',
  pids: 'PIDs',
  lsn: 'LSN',
  pid: 'PID',
  gid: 'GID',
  oid: 'OID',
  sql: 'SQL',
  tps: 'TPS',
  tls: 'TLS',
  slru: 'SLRU',
  toast: 'TOAST',
  p95: 'p95',
  datname: 'Database',
  usename: 'Role',
  queryid: 'Query ID',
  relkind: 'Kind',
  blks: 'blocks',
  blk: 'blocks',
  tup: 'rows',
};

const UNIT_ENDS: [RegExp, Kind][] = [
  [/(^|_)bytes_per_second$/, 'bytes_per_second'],
  [/_per_second$/, 'per_second'],
  [/_per_day$/, 'bytes'],
  [/(^|_)bytes(_estimate)?$/, 'bytes'],
  [/(^|_)seconds(_ago|_until_[a-z]+)?$/, 'seconds'],
  [/_ms(_since_reset)?$/, 'milliseconds'],
  [/(^|_)(ratio|share)(_since_reset)?$/, 'ratio'],
  [/^pct_/, 'percent'],
  [/_at$|^at$|^since$|^stats_reset$|_reset$|_from$|^next_upper$|_failure$/, 'time'],
];

const BY_NAME: Record<string, Kind> = {
  level: 'level',
  remedy: 'remedy',
  query: 'sql',
  text: 'sql',
  sql: 'sql',
  queryid: 'queryid',
  mean_change_ratio: 'count',
  fingerprint: 'id',
  collectors: 'list',
};

/** Numbers that name something: they have no magnitude, so no separators, units or roundings. */
const IDENTIFIER =
  /(^|_)(pid|oid|relid|gid|port|xid|mxid|xmin|xmax|multixact|queryid|id|timeline|tli|relfilenode|server_version_num|system_identifier)$|^(pid|oid|gid|port|xid)s$|_(pid|oid|gid|port)s$|^(multixacts|blocked_by|blockers)$/;

/** What a column holds: by its name, as the API ends names in their unit, else by a value of it. */
export function kindOf(name: string, sample?: unknown): Kind {
  const known = BY_NAME[name];
  if (known !== undefined) return known;
  if (typeof sample === 'boolean') return 'bool';
  if (Array.isArray(sample)) return 'list';
  if (IDENTIFIER.test(name)) return typeof sample === 'string' ? 'text' : 'id';
  for (const [end, kind] of UNIT_ENDS) {
    if (end.test(name) && !(kind === 'time' && typeof sample === 'number')) {
      return kind !== 'time' && typeof sample === 'string' ? 'text' : kind;
    }
  }
  return typeof sample === 'number' ? 'count' : 'text';
}

/** Times whose names without the unit are those of counts: `blocks read`. */
const TIMES = /^blk_(read|write)(_time)?_(seconds|ms)$/;

/** `last_vacuum_seconds_ago` to `Last vacuum`: the unit stands with the value. */
export function labelOf(name: string): string {
  const time = TIMES.exec(name);
  if (time !== null) return time[1] === 'read' ? 'Time reading blocks' : 'Time writing blocks';
  const bare = name
    .replace(/_(bytes_per_second|bytes_estimate|bytes|seconds_ago|seconds|ms|ratio)$/, (end) =>
      end === '_bytes_per_second' ? ' rate' : '',
    )
    .replace(/_per_second$/, '/s')
    .replace(/_bytes_per_day$/, '/day')
    .replace(/(_ms|_seconds)?_since_reset$/, ' since reset');
  const words = bare.split(/[_\s]+/).map((word) => WORDS[word] ?? word);
  const text = words.join(' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
