// Replaces the content of the page by a newer one every five seconds, as long as the page is looked at. The gate answers such
// a request from what it has kept, and never asks its backend for it. Without this script the page is the same, and stays.
const everyMs = 5_000;
const main = document.querySelector('main[data-refresh]');

function isInUse() {
  const { activeElement } = document;
  const selection = document.getSelection();
  return (
    (activeElement !== null && activeElement !== document.body && main.contains(activeElement)) ||
    (selection !== null && !selection.isCollapsed)
  );
}

async function refresh() {
  if (document.hidden || isInUse()) return;
  const response = await fetch(location.href, {
    headers: { accept: 'text/html', 'x-cuj-gate-refresh': 'kept' },
    cache: 'no-store',
    redirect: 'error',
    signal: AbortSignal.timeout(everyMs),
  });
  // 204: nothing newer is kept.
  if (response.status !== 200) return;
  const newer = new DOMParser().parseFromString(await response.text(), 'text/html');
  const content = newer.querySelector('main');
  if (content === null) return;
  const open = [...main.querySelectorAll('details')].map((one) => one.open);
  const { scrollX, scrollY } = window;
  main.replaceChildren(...content.childNodes);
  main.querySelectorAll('details').forEach((one, i) => {
    one.open = open[i] === true;
  });
  window.scrollTo(scrollX, scrollY);
  document.title = newer.title;
  const footer = newer.querySelector('footer');
  if (footer !== null) document.querySelector('footer').replaceWith(footer);
}

if (main !== null) {
  setInterval(() => {
    // A gate that restarts is asked again.
    refresh().catch(() => {});
  }, everyMs);
}

// A link that takes a while says so at once.
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a[data-slow]') : null;
  if (link !== null && !event.ctrlKey && !event.metaKey) {
    link.insertAdjacentText('afterend', ` ${link.dataset.slow} …`);
  }
});
