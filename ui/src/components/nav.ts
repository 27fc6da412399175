import {
  IconActivityHeartbeat,
  IconArrowsSplit2,
  IconClockHour4,
  IconDatabase,
  IconDeviceDesktopAnalytics,
  IconHistoryToggle,
  IconLayoutGrid,
  IconListSearch,
  IconLock,
  IconServer2,
  IconSettings,
  IconStack2,
  IconTopologyStar3,
} from '@tabler/icons-react';

export interface NavItem {
  to: string;
  label: string;
  icon: typeof IconLock;
  /** The API's pages that it shows. */
  pages: readonly string[];
  question: string;
}

export const NAV: readonly { group: string; items: readonly NavItem[] }[] = [
  {
    group: 'All databases',
    items: [
      { to: '/fleet', label: 'Fleet', icon: IconLayoutGrid, pages: ['targets'], question: 'Which of them needs me?' },
    ],
  },
  {
    group: 'This database',
    items: [
      {
        to: '/',
        label: 'Overview',
        icon: IconActivityHeartbeat,
        pages: ['overview'],
        question: 'Is it healthy, and if not, what first?',
      },
      {
        to: '/activity',
        label: 'Activity & Locks',
        icon: IconLock,
        pages: ['locks', 'activity'],
        question: 'Who blocks whom, and who is doing what?',
      },
      {
        to: '/queries',
        label: 'Top Queries',
        icon: IconListSearch,
        pages: ['top-queries'],
        question: 'What consumes the server, and what changed?',
      },
      {
        to: '/autovacuum',
        label: 'Autovacuum',
        icon: IconHistoryToggle,
        pages: ['autovacuum'],
        question: 'Is vacuum keeping up, and if not, why?',
      },
      {
        to: '/storage',
        label: 'Storage & Indexes',
        icon: IconDatabase,
        pages: ['storage', 'indexes', 'bloat'],
        question: 'What grows, and what is waste?',
      },
      {
        to: '/partitions',
        label: 'Partitions',
        icon: IconArrowsSplit2,
        pages: ['partitions'],
        question: 'Will inserts fail, or fall into a DEFAULT partition?',
      },
      {
        to: '/replication',
        label: 'Replication',
        icon: IconTopologyStar3,
        pages: ['replication'],
        question: 'Who lags, and at which stage?',
      },
      {
        to: '/wraparound',
        label: 'Wraparound',
        icon: IconClockHour4,
        pages: ['wraparound'],
        question: 'How far is the server from refusing writes?',
      },
      {
        to: '/io',
        label: 'I/O & WAL',
        icon: IconStack2,
        pages: ['io', 'wal'],
        question: 'Who reads and writes, and is the WAL taken care of?',
      },
      {
        to: '/settings',
        label: 'Settings',
        icon: IconSettings,
        pages: ['settings'],
        question: 'How is the server set up, and what changed?',
      },
    ],
  },
  {
    group: 'pgmon',
    items: [
      {
        to: '/agent',
        label: 'Agent',
        icon: IconDeviceDesktopAnalytics,
        pages: ['collectors'],
        question: 'Is monitoring itself working?',
      },
    ],
  },
];

export const NAV_ITEMS: readonly NavItem[] = NAV.flatMap((group) => group.items);

/** Where a page of the API is shown. */
export function pageOf(name: string): NavItem | undefined {
  return NAV_ITEMS.find((item) => item.pages.includes(name));
}

export const ServerIcon = IconServer2;
