// Keeps every file of the page, each under the digest of its content, and answers from there with or without a network.
const FILES = {/* name: sha256, by write_web */};
const CACHE = 'scunext-{release}';

async function keep() {
  const cache = await caches.open(CACHE);
  await Promise.all(Object.entries(FILES).map(async ([name, digest]) => {
    const answer = await fetch(name, {cache: 'no-store'});
    const bytes = await answer.arrayBuffer();
    const found = Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)),
      (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (!answer.ok || found !== digest) throw new Error(`${name} is missing or altered`);
    const type = answer.headers.get('content-type') ?? 'application/octet-stream';
    await cache.put(name, new Response(bytes, {headers: {'content-type': type}})); // a redirected one opens no page
  }));
}

async function drop() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith('scunext-') && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const page = request.url.split(/[?#]/)[0] === registration.scope;
  const kept = await cache.match(page ? 'index.html' : request, {ignoreSearch: true});
  return kept ?? fetch(request);
}

self.addEventListener('install', (event) => event.waitUntil(keep()));
self.addEventListener('activate', (event) => event.waitUntil(drop()));
self.addEventListener('fetch', (event) => {
  if (event.request.method === 'GET' && new URL(event.request.url).origin === location.origin)
    event.respondWith(answer(event.request));
});
self.addEventListener('message', (event) => {
  if (event.data === 'renew') self.skipWaiting();
});
