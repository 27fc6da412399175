// What of a page cannot be read: texts that end at an edge without a way to the rest. All but the last function runs in
// the browser.

function nameOf(element) {
  const panel = element.closest('section[id], section[aria-label]');
  const text = element.textContent.trim().replaceAll(/\s+/g, ' ').slice(0, 50);
  const shape = `${element.tagName.toLowerCase()} ${element.getAttribute('class') ?? ''}`.trim();
  return `${panel?.id || panel?.getAttribute('aria-label') || 'page'}: <${shape}> "${text}"`;
}

function unseen(element) {
  return (
    element.closest('.visually-hidden, [aria-hidden=true], [hidden], svg, .uplot') !== null ||
    !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
  );
}

/** Whether an ellipsis tells that there is more, a title has it, and, of a cell, the row can be opened. */
function told(element) {
  const cell = element.closest('td, th');
  const dotted = [element, ...(cell === null ? [] : [cell, ...cell.querySelectorAll('*')])].some((each) => {
    const style = getComputedStyle(each);
    return style.textOverflow === 'ellipsis' && style.overflowX !== 'visible';
  });
  const title = element.closest('[title]')?.getAttribute('title') ?? '';
  return dotted && title !== '' && (cell === null || cell.closest('tr')?.querySelector('.expander') !== null);
}

/** What may not be cut. A figure with an ellipsis is another figure: it never may. */
function wrong(element) {
  return element.closest('td.num, th.num') !== null || !told(element);
}

function scrolls(style) {
  return style.overflowX === 'auto' || style.overflowX === 'scroll';
}

function boxOf(element) {
  const style = getComputedStyle(element);
  const over = element.scrollWidth - element.clientWidth;
  const below = element.scrollHeight - element.clientHeight;
  if (scrolls(style)) {
    const frame = element.closest('.scroll-frame');
    const says = frame?.hasAttribute('data-right') === true || frame?.hasAttribute('data-left') === true;
    return over > 1 && !says ? [`${nameOf(element)} scrolls and does not say so`] : [];
  }
  if (style.display === 'inline' || element.clientWidth === 0) return [];
  const cuts = style.overflowX !== 'visible' || /^(TD|TH|BUTTON)$/.test(element.tagName);
  if (over > 1 && cuts && wrong(element)) return [`${nameOf(element)} is cut by ${over} px`];
  const lines = style.webkitLineClamp !== 'none';
  return below > 2 && style.overflowY === 'hidden' && !lines && !told(element)
    ? [`${nameOf(element)} is cut by ${below} px below`]
    : [];
}

/** How far a text stands out of a box that it is in. */
function beyond(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const text = range.getBoundingClientRect();
  for (let box = node.parentElement; box !== null && box.id !== 'main'; box = box.parentElement) {
    const style = getComputedStyle(box);
    if (scrolls(style)) return [];
    if (style.display === 'inline' || style.display === 'contents') continue;
    const edge = box.getBoundingClientRect();
    const over = Math.max(text.right - edge.right, edge.left - text.left);
    if (over <= 1.5) continue;
    return wrong(node.parentElement) ? [`${nameOf(node.parentElement)} is ${Math.round(over)} px beyond its box`] : [];
  }
  return [];
}

function texts() {
  const found = [];
  const walker = document.createTreeWalker(document.querySelector('#main'), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (node.textContent.trim() !== '' && !unseen(node.parentElement)) found.push(...beyond(node));
  }
  return found;
}

/** At rest no figure is half behind the edge of what scrolls. */
function halves(scroller) {
  if (scroller.scrollLeft > 0) return [];
  const edge = scroller.getBoundingClientRect().left + scroller.clientLeft + scroller.clientWidth;
  return [...scroller.querySelectorAll('tbody td.num, thead th.num')].flatMap((cell) => {
    const box = cell.getBoundingClientRect();
    return box.left < edge - 2 && box.right > edge + 2 ? [`${nameOf(cell)} is half behind the edge`] : [];
  });
}

function find() {
  const root = document.documentElement;
  const wide = root.scrollWidth - root.clientWidth;
  return [
    ...new Set([
      ...(wide > 0 ? [`the page is ${wide} px too wide`] : []),
      ...[...document.querySelectorAll('#main *')].filter((each) => !unseen(each)).flatMap(boxOf),
      ...texts(),
      ...[...document.querySelectorAll('#main .scroller')].flatMap(halves),
    ]),
  ];
}

const SCRIPT = [nameOf, unseen, told, wrong, scrolls, boxOf, beyond, texts, halves, find].map(String).join('\n');

/** All that is cut on a page, in words. */
export function clipped(page) {
  return page.evaluate(`(() => { ${SCRIPT}\nreturn find(); })()`);
}
