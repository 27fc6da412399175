import { createTheme, localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiFailure } from './api/client';
import { seed } from './api/early';
import './styles/index.css';
import { router } from './router';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      refetchOnWindowFocus: true,
      retry: (count, error) => count < 2 && !(error instanceof ApiFailure && error.status < 500),
    },
  },
});

const theme = createTheme({ primaryColor: 'blue', cursorType: 'pointer', respectReducedMotion: true });
const schemes = localStorageColorSchemeManager({ key: 'pgmon.scheme' });
const root = document.getElementById('root');

function draw(into: HTMLElement) {
  createRoot(into).render(
    <StrictMode>
      {/* No style elements at run time: the CSP is `style-src 'self'`. What they would hold is in mantine.css. */}
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        colorSchemeManager={schemes}
        withCssVariables={false}
        withGlobalClasses={false}
      >
        <QueryClientProvider client={client}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}

/**
 * So long the first drawing may wait for the page's own part and for figures that are on their way: with them it is the
 * only one. Until then the frame in index.html is seen.
 */
const PATIENCE_MS = 400;

if (root !== null) {
  const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  void Promise.race([Promise.all([seed(client), router.load()]), patience])
    .catch(() => {})
    .then(() => draw(root));
}
