import { formatTime, formatValue, type Kind, kindOf, labelOf, UNKNOWN } from './format';

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of an object that say something, in words: `PID 4711, state active`. */
function fieldsText(value: Record<string, unknown>): string {
  const said = Object.entries(value).flatMap(([name, inner]) =>
    inner === null || inner === undefined || inner === ''
      ? []
      : [`${labelOf(name)} ${asText(inner, kindOf(name, inner), name)}`],
  );
  return said.length === 0 ? UNKNOWN : said.join(', ');
}

/** A value as text, for cells, widths, filters and titles. `name` is its column's: of a list's elements, too. */
export function asText(value: unknown, kind: Kind, name = ''): string {
  if (value === null || value === undefined || value === '') return UNKNOWN;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) {
    if (value.length === 0) return 'none';
    return value
      .map((each) => asText(each, name === '' ? 'text' : kindOf(name.replace(/s$/, ''), each), name))
      .join(value.some(isFields) ? '; ' : ', ');
  }
  if (isFields(value)) return fieldsText(value);
  if (kind === 'time') return formatTime(String(value), 'utc');
  return typeof value === 'number' ? formatValue(value, kind) : String(value);
}

const BYTES: Record<string, number> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };
const SECONDS: Record<string, number> = { us: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86_400 };

/** A setting as people say it: `16384` of `8kB` is `128 MiB`. Special values (-1, 0 and words) stay what they are. */
export function settingText(setting: unknown, unit: unknown): string | undefined {
  if (typeof setting !== 'string') return undefined;
  // Nothing is a value, too, and not the same as an unknown one.
  if (setting === '') return '(empty)';
  if (typeof unit !== 'string' || !/^-?\d+(\.\d+)?$/.test(setting)) return setting;
  const value = Number(setting);
  if (value <= 0) return value === 0 ? '0' : setting;
  const [, times, word] = /^(\d*)\s*([A-Za-z]+)$/.exec(unit) ?? [];
  if (word === undefined) return `${setting} ${unit}`;
  const factor = times === undefined || times === '' ? 1 : Number(times);
  const bytes = BYTES[word];
  if (bytes !== undefined) return formatValue(value * factor * bytes, 'bytes');
  const seconds = SECONDS[word];
  if (seconds !== undefined) return formatValue(value * factor * seconds, 'seconds');
  return `${setting} ${unit}`;
}
