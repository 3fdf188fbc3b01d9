// Keeps the page for use without a network, where the browser can.

/** Registers the service worker. `ready()` once all files are kept; `renewed(apply)` when a newer page waits. */
export async function keepOffline({ready, renewed}) {
  if (!navigator.serviceWorker || !document.querySelector('link[rel="manifest"]')) return;
  let registration;
  try {
    registration = await navigator.serviceWorker.register('sw.js');
  } catch {
    return; // the page works all the same, only not without a network
  }
  const waits = () => renewed(() => {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload());
    registration.waiting.postMessage('renew');
  });
  if (registration.waiting && registration.active) waits();
  registration.addEventListener('updatefound', () => {
    const {installing, active} = registration;
    installing.addEventListener('statechange', () => {
      if (installing.state === 'installed' && active) waits();
    });
  });
  await navigator.serviceWorker.ready;
  ready();
}
