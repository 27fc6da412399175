import { existsSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Sets the colour scheme before the first paint, from a file of its own: the CSP has no inline scripts. */
function boot(): Plugin {
  let served = false;
  return {
    name: 'pgmon-boot',
    configResolved(config) {
      served = config.command === 'serve';
    },
    buildStart() {
      if (served) return;
      this.emitFile({
        type: 'asset',
        name: 'boot.js',
        source:
          "try{var s=localStorage.getItem('pgmon.scheme');document.documentElement.setAttribute('data-mantine-color-scheme',s==='dark'||(s!=='light'&&matchMedia('(prefers-color-scheme: dark)').matches)?'dark':'light')}catch(e){}\n",
      });
    },
    transformIndexHtml: {
      order: 'post',
      handler(html, context) {
        const file = Object.keys(context.bundle ?? {}).find((name) => /boot-[^/]*\.js$/.test(name));
        // `crossorigin` would ask for the files without the browser's credentials.
        const plain = html.replaceAll(' crossorigin', '');
        return file === undefined
          ? plain
          : plain.replace('</title>', `</title>\n    <script src="./${file}"></script>`);
      },
    },
  };
}

/** Answers from fixtures in development; never part of a build. */
function fixtures(): Plugin {
  return {
    name: 'pgmon-fixtures',
    apply: 'serve',
    async configureServer(server) {
      if (process.env.PGMON_FIXTURES === undefined || !existsSync('e2e/fixtures/answers.mjs')) return;
      const { answer } = (await import('./e2e/fixtures/answers.mjs' as string)) as {
        answer: (url: URL) => { status: number; body: unknown };
      };
      server.middlewares.use((request, response, next) => {
        const url = new URL(request.url ?? '/', 'http://fixture');
        if (!url.pathname.startsWith('/api/')) return next();
        const { status, body } = answer(url);
        response.statusCode = status;
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(body));
      });
    },
  };
}

const backend = process.env.PGMON_URL ?? 'http://127.0.0.1:8181';

export default defineConfig({
  base: './',
  plugins: [react(), boot(), fixtures()],
  server: { proxy: process.env.PGMON_FIXTURES === undefined ? { '/api': backend, '/login': backend } : {} },
  build: { target: 'es2022', manifest: true, assetsInlineLimit: 0, sourcemap: false, modulePreload: { polyfill: false } },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'], environment: 'node' },
});
