// Files for the user: through a link, since the page has no server to ask.

/** Offers a blob for download under this name. */
export function offer(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A record as a JSON file. */
export const jsonOf = (record) => new Blob([`${JSON.stringify(record, null, 1)}\n`], {type: 'application/json'});

/** photo.jpg and ".mask.png": photo.mask.png. */
export const named = (name, ending) => (name.replace(/\.[^.]*$/, '') || 'photo') + ending;
