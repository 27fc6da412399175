// Runs before anything is drawn, from a file of its own: the CSP has no inline scripts. It sets the colour scheme, and
// asks for what the page will need while the program itself is still on its way. Whatever fails here, the program does.
try {
  const said = localStorage.getItem('pgmon.scheme');
  const dark = said === 'dark' || (said !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
} catch {
  // Without storage it stays light.
}
try {
  const pages = /* PAGES */ {};
  const base = new URL('.', document.baseURI);
  const path = location.pathname.slice(base.pathname.length);
  const slash = path.indexOf('/') + 1;
  const page = pages[slash === 0 ? path : path.slice(0, slash)];
  if (page !== undefined) {
    for (const file of page.files) {
      const link = document.createElement('link');
      link.rel = 'modulepreload';
      link.href = file;
      document.head.append(link);
    }
    const early = new Map();
    window.pgmonEarly = early;
    const ask = (source) => {
      const url = new URL(`api/v1/${source}`, base).href;
      const answer = fetch(url, { cache: 'no-cache', headers: { accept: 'application/json' } });
      answer.catch(() => {});
      early.set(url, { at: performance.now(), answer });
      return answer;
    };
    const given = new URLSearchParams(location.search);
    const chosen = new URLSearchParams();
    for (const key of ['cluster', 'db', 'datname']) if (given.get(key)) chosen.set(key, given.get(key));
    const query = page.global || chosen.size === 0 ? '' : `?${chosen}`;
    const one = slash === 0 ? '' : encodeURIComponent(decodeURIComponent(path.slice(slash)));
    const all = () => {
      for (const source of page.sources) ask(`${source}${one}${source.includes('?') ? '' : query}`);
    };
    const targets = ask('targets');
    if (page.global || chosen.has('db')) all();
    else
      targets
        .then((answer) => answer.clone().json())
        // With several, somebody has to choose first.
        .then(({ data }) => (data.targets.length === 1 ? all() : undefined))
        .catch(() => {});
  }
} catch {
  // The program asks by itself.
}
