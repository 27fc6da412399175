// Puts .br and .gz beside what is served, so that the binary embeds them ready to send.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;

// Vite empties the directory; the build of pgmon watches it, and it must be there in a fresh clone.
writeFileSync(join(dist, '.keep'), '');

for (const name of readdirSync(dist, { recursive: true })) {
  const file = join(dist, String(name));
  if (!statSync(file).isFile() || !/\.(js|css|svg|json)$/.test(file) || file.includes('.vite')) continue;
  const bytes = readFileSync(file);
  if (bytes.length < 512) continue;
  const gzip = gzipSync(bytes, { level: 9 });
  const brotli = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  writeFileSync(`${file}.gz`, gzip);
  writeFileSync(`${file}.br`, brotli);
}
