import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { minify, type Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { FIRST } from './src/lib/first.ts';

/** Where boot.js gets its list. */
const PAGES = '/* PAGES */ {}';

/** Puts `src/boot/boot.js` in front, as a file of its own, with what it has to know of the built pages. */
function boot(): Plugin {
  let file = '';
  return {
    name: 'pgmon-boot',
    apply: 'build',
    async generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((each) => each.type === 'chunk');
      const entry = chunks.find((chunk) => chunk.isEntry);
      const withImports = (name: string, seen = new Set<string>()): Set<string> => {
        if (!seen.has(name)) {
          seen.add(name);
          for (const next of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) withImports(next, seen);
        }
        return seen;
      };
      const known = withImports(entry?.fileName ?? '');
      const table = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith('/src/components/TablePanel.tsx'));
      if (table === undefined) throw new Error('the tables are no chunk of their own any more');
      const tables = withImports(table.fileName);
      const pages = Object.fromEntries(
        Object.entries(FIRST).map(([path, { module, sources, global }]) => {
          const chunk = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith(`/src/pages/${module}.tsx`));
          if (chunk === undefined) throw new Error(`src/lib/first.ts names the page ${module}, which there is not`);
          const files = [...new Set([...withImports(chunk.fileName), ...tables])].filter((name) => !known.has(name));
          return [path, { sources, global, files: files.map((name) => `./${name}`) }];
        }),
      );
      const source = readFileSync(new URL('./src/boot/boot.js', import.meta.url), 'utf8');
      if (!source.includes(PAGES)) throw new Error(`src/boot/boot.js has no ${PAGES}`);
      const { code } = await minify(
        'boot.js',
        source.replace(PAGES, () => JSON.stringify(pages)),
        { module: false },
      );
      const made = this.emitFile({ type: 'asset', name: 'boot.js', source: code });
      file = this.getFileName(made);
    },
    transformIndexHtml: {
      order: 'post',
      // `crossorigin` would ask for the files without the browser's credentials.
      handler: (html) =>
        html
          .replaceAll(' crossorigin', '')
          .replace('</title>', file === '' ? '</title>' : `</title>\n    <script src="./${file}"></script>`),
    },
  };
}

const backend = process.env.PGMON_URL ?? 'http://127.0.0.1:8181';

export default defineConfig({
  base: './',
  plugins: [react(), boot()],
  server: { proxy: { '/api': backend, '/login': backend, '/logout': backend } },
  build: {
    target: 'es2022',
    manifest: true,
    assetsInlineLimit: 0,
    sourcemap: false,
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'], environment: 'node' },
});
