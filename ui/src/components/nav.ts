import {
  IconActivityHeartbeat,
  IconArrowsSplit2,
  IconBinaryTree2,
  IconClockHour4,
  IconDatabase,
  IconDeviceDesktopAnalytics,
  IconHistoryToggle,
  IconLayoutGrid,
  IconListSearch,
  IconLock,
  IconPlugConnected,
  IconServer2,
  IconSettings,
  IconStack2,
  IconTopologyStar3,
} from '@tabler/icons-react';

export interface NavItem {
  to: string;
  label: string;
  icon: typeof IconLock;
  /** After `g` it leads here. */
  key: string;
  /** The API's pages that it shows. */
  pages: readonly string[];
  question: string;
}

export const NAV: readonly { group: string; items: readonly NavItem[] }[] = [
  {
    group: 'Everything',
    items: [
      {
        to: '/fleet',
        label: 'Fleet',
        icon: IconLayoutGrid,
        key: 'f',
        pages: ['targets'],
        question: 'Which of them needs me?',
      },
      {
        to: '/clusters',
        label: 'Clusters',
        icon: IconBinaryTree2,
        key: 'h',
        pages: ['clusters'],
        question: 'Who leads, who follows, and would a failover work?',
      },
      {
        to: '/services',
        label: 'Services',
        icon: IconPlugConnected,
        key: 'e',
        pages: ['services'],
        question: 'What around the databases does not work?',
      },
    ],
  },
  {
    group: 'This database',
    items: [
      {
        to: '/',
        key: 'o',
        label: 'Overview',
        icon: IconActivityHeartbeat,
        pages: ['overview'],
        question: 'Is it healthy, and if not, what first?',
      },
      {
        to: '/activity',
        key: 'l',
        label: 'Activity & Locks',
        icon: IconLock,
        pages: ['locks', 'activity'],
        question: 'Who blocks whom, and who is doing what?',
      },
      {
        to: '/queries',
        key: 'q',
        label: 'Top Queries',
        icon: IconListSearch,
        pages: ['top-queries'],
        question: 'What consumes the server, and what changed?',
      },
      {
        to: '/autovacuum',
        key: 'v',
        label: 'Autovacuum',
        icon: IconHistoryToggle,
        pages: ['autovacuum'],
        question: 'Is vacuum keeping up, and if not, why?',
      },
      {
        to: '/storage',
        key: 's',
        label: 'Storage & Indexes',
        icon: IconDatabase,
        pages: ['storage', 'indexes', 'bloat'],
        question: 'What grows, and what is waste?',
      },
      {
        to: '/partitions',
        key: 'p',
        label: 'Partitions',
        icon: IconArrowsSplit2,
        pages: ['partitions'],
        question: 'Will inserts fail, or fall into a DEFAULT partition?',
      },
      {
        to: '/replication',
        key: 'r',
        label: 'Replication',
        icon: IconTopologyStar3,
        pages: ['replication'],
        question: 'Who lags, and at which stage?',
      },
      {
        to: '/wraparound',
        key: 'w',
        label: 'Wraparound',
        icon: IconClockHour4,
        pages: ['wraparound'],
        question: 'How far is the server from refusing writes?',
      },
      {
        to: '/io',
        key: 'i',
        label: 'I/O & WAL',
        icon: IconStack2,
        pages: ['io', 'wal'],
        question: 'Who reads and writes, and is the WAL taken care of?',
      },
      {
        to: '/settings',
        key: 'c',
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
        key: 'a',
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
