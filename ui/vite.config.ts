import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Sets the colour scheme before the first paint, from a file of its own: the CSP has no inline scripts. */
function boot(): Plugin {
  return {
    name: 'pgmon-boot',
    apply: 'build',
    buildStart() {
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

const backend = process.env.PGMON_URL ?? 'http://127.0.0.1:8181';

export default defineConfig({
  base: './',
  plugins: [react(), boot()],
  server: { proxy: { '/api': backend, '/login': backend } },
  build: {
    target: 'es2022',
    manifest: true,
    assetsInlineLimit: 0,
    sourcemap: false,
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'], environment: 'node' },
});
