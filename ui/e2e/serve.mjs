// Serves dist and the fixtures as the binary serves them: with its CSP, under a path prefix if one is given.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { answer } from './fixtures/answers.mjs';

export const CSP = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
const TYPES = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.html': 'text/html; charset=utf-8',
};
const DIST = new URL('../dist/', import.meta.url).pathname;

/** An answer of a real pgmon, for work on the UI without embedding it at each step. */
async function forward(address, response) {
  const answered = await fetch(address).catch(() => undefined);
  response.statusCode = answered?.status ?? 502;
  response.setHeader('content-type', answered?.headers.get('content-type') ?? 'text/plain');
  response.end(answered === undefined ? 'pgmon does not answer' : Buffer.from(await answered.arrayBuffer()));
}

export function serve({ port = 0, prefix = '/', databases = 1, rows, around, api, dist = DIST } = {}) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://x');
    response.setHeader('content-security-policy', CSP);
    if (!url.pathname.startsWith(prefix)) {
      response.statusCode = 404;
      return response.end();
    }
    const path = url.pathname.slice(prefix.length);
    if (path.startsWith('api/') && api !== undefined) return void forward(`${api}${path}${url.search}`, response);
    if (path.startsWith('api/')) {
      const { status, body } = answer(url, databases, rows, around);
      response.statusCode = status;
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify(body));
    }
    const file = dist + path;
    if (path !== '' && !path.includes('..') && existsSync(file) && TYPES[extname(file)] !== undefined) {
      response.setHeader('content-type', TYPES[extname(file)]);
      if (existsSync(`${file}.gz`)) {
        response.setHeader('content-encoding', 'gzip');
        return response.end(readFileSync(`${file}.gz`));
      }
      return response.end(readFileSync(file));
    }
    response.setHeader('content-type', TYPES['.html']);
    return response.end(
      readFileSync(`${dist}index.html`, 'utf8').replace('<base href="/" />', `<base href="${prefix}" />`),
    );
  });
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () =>
      resolve({ server, base: `http://127.0.0.1:${server.address().port}${prefix}` }),
    ),
  );
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { base } = await serve({
    port: Number(process.env.PORT ?? 8899),
    prefix: process.env.PREFIX ?? '/',
    api: process.env.PGMON_API,
    databases: Number(process.env.DATABASES ?? 1),
    around: { services: Number(process.env.SERVICES ?? 30), clusters: Number(process.env.CLUSTERS ?? 20) },
  });
  console.log(base);
}
