// A request of the page as a command that asks the same of the server.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// The key is named, not told.
export function curl(path, body) {
  const address = new URL(path, document.baseURI).href.replace(/[?#].*$/, "");
  return `curl -N ${quoted(address)} \\\n  -H 'Content-Type: application/json' -H "Authorization: Bearer $QUIRE_API_KEY" \\\n  -d ${
    quoted(JSON.stringify(body))}`;
}
