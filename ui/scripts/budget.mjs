// Fails when what a browser has to load grows beyond the budgets of issue 4 (gzip, KiB).
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const INITIAL_JS = 230;
const ROUTE_CHUNK = 60;
const CSS = 40;

const dist = new URL('../dist/', import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, 'utf8'));
const size = (file) => gzipSync(readFileSync(dist + file), { level: 9 }).length / 1024;

/** What comes with a chunk without waiting for anything else. */
function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) closure(next, seen);
  return seen;
}

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
const shell = closure(entry);
const routes = (manifest[entry].dynamicImports ?? []).filter((key) => manifest[key].src?.startsWith('src/pages/'));
const first = routes.find((key) => manifest[key].src === 'src/pages/Overview.tsx');
if (first === undefined || routes.length < 10) {
  console.error(`the manifest names ${routes.length} pages and ${first ?? 'no Overview'}: has the layout changed?`);
  process.exit(1);
}
// The first page is part of what is loaded at first, with all that it imports.
const initial = new Set([...shell, ...closure(first)]);
const sum = (keys) => [...keys].reduce((total, key) => total + size(manifest[key].file), 0);
const css = new Set(Object.values(manifest).flatMap((chunk) => chunk.css ?? []));

const failures = [];
const check = (name, kib, limit) => {
  const line = `${name.padEnd(44)} ${kib.toFixed(1).padStart(7)} of ${limit}`;
  console.log(line);
  if (kib > limit) failures.push(line);
};
check('initial JS (shell and Overview)', sum(initial), INITIAL_JS);
for (const [key, chunk] of Object.entries(manifest)) {
  if (key !== entry && chunk.file.endsWith('.js') && !shell.has(key)) check(chunk.file, size(chunk.file), ROUTE_CHUNK);
}
check(
  'CSS in all',
  [...css].reduce((total, file) => total + size(file), 0),
  CSS,
);
if (failures.length > 0) {
  console.error(`over budget:\n${failures.join('\n')}`);
  process.exit(1);
}
