import { Drawer, Kbd, Modal } from '@mantine/core';
import { useEffect, useState } from 'react';
import { KEYS } from '../lib/keys';
import { Finder } from './Finder';
import { Nav, NavFoot } from './Navigation';

export type Overlay = 'menu' | 'finder' | 'help';

/** What opens over a page. A chunk of its own: nobody sees it at first. */
export default function Overlays({ open: wanted, onClose }: { open: Overlay | undefined; onClose: () => void }) {
  // A dialog gives the focus back only if it was there before it opened.
  const [open, setOpen] = useState<Overlay>();
  useEffect(() => setOpen(wanted), [wanted]);
  return (
    <>
      <Drawer
        opened={open === 'menu'}
        onClose={onClose}
        size="16rem"
        title="pgmon"
        lockScroll={false}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Nav onGo={onClose} />
        <NavFoot />
      </Drawer>
      <Modal
        opened={open === 'finder'}
        onClose={onClose}
        title="Search"
        lockScroll={false}
        size="lg"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Finder onDone={onClose} />
      </Modal>
      <Modal
        opened={open === 'help'}
        onClose={onClose}
        title="Keys"
        lockScroll={false}
        size="lg"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <div className="key-groups">
          {KEYS.map(({ title, keys }) => (
            <section key={title} aria-label={title}>
              <h3>{title}</h3>
              <dl className="keys">
                {keys.map(([key, what]) => (
                  <div key={key} className="keys-row">
                    <dt>
                      {key.split(' ').map((each) => (
                        <Kbd key={each}>{each}</Kbd>
                      ))}
                    </dt>
                    <dd>{what}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
      </Modal>
    </>
  );
}
