/**
 * What each page is made of: its module, and the API's pages that it asks. `boot.js` asks for both before the program
 * is here; vite.config.ts writes this list into it. What is `global` is about no database: nobody has to choose one.
 */
export const FIRST: Record<string, { module: string; sources: readonly string[]; global?: true }> = {
  '': { module: 'Overview', sources: ['overview'] },
  fleet: { module: 'FleetPage', sources: ['targets?sparklines=true'], global: true },
  clusters: { module: 'Clusters', sources: ['clusters'], global: true },
  services: { module: 'Services', sources: ['services'], global: true },
  activity: { module: 'Activity', sources: ['locks', 'activity'] },
  queries: { module: 'Queries', sources: ['top-queries'] },
  'queries/': { module: 'Statement', sources: ['statements/'] },
  autovacuum: { module: 'Autovacuum', sources: ['autovacuum'] },
  storage: { module: 'Storage', sources: ['storage', 'indexes', 'bloat'] },
  partitions: { module: 'Partitions', sources: ['partitions'] },
  replication: { module: 'Replication', sources: ['replication'] },
  wraparound: { module: 'Wraparound', sources: ['wraparound'] },
  io: { module: 'Io', sources: ['io', 'wal'] },
  settings: { module: 'Settings', sources: ['settings'] },
  agent: { module: 'Agent', sources: ['collectors'] },
  'collectors/': { module: 'Collector', sources: ['collectors/'] },
};
