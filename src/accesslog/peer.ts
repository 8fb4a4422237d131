const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
/** ::ffff:0:0/96, IPv4 seen through an IPv6 socket. */
const MAPPED = `${'\0'.repeat(10)}\xff\xff`;

let lastBytes = '';
let lastText = '';

/**
 * The text of an IP address, as inet_ntop(3) writes it; an IPv4 address mapped to IPv6 is written as IPv4.
 *
 * @param bytes 4 or 16 of them, as Latin-1
 */
export function peerText(bytes: string | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  // Most requests come from the same one or two web servers.
  if (bytes === lastBytes) return lastText;
  const text = addressText(bytes);
  if (text === undefined) return undefined;
  lastBytes = bytes;
  lastText = text;
  return text;
}

function addressText(bytes: string): string | undefined {
  if (bytes.length === IPV4_BYTES) return dotted(bytes);
  if (bytes.length !== IPV6_BYTES) return undefined;
  return bytes.startsWith(MAPPED) ? dotted(bytes.slice(MAPPED.length)) : colons(bytes);
}

function dotted(bytes: string): string {
  return [...bytes].map((byte) => byte.charCodeAt(0)).join('.');
}

/** RFC 5952: the longest run of two or more zero groups, the first of equally long ones, becomes `::`. */
function colons(bytes: string): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((bytes.charCodeAt(2 * i) << 8) | bytes.charCodeAt(2 * i + 1)).toString(16),
  );
  let best = { from: -1, length: 1 };
  for (let from = 0; from < groups.length; from++) {
    let length = 0;
    while (groups[from + length] === '0') length++;
    if (length > best.length) best = { from, length };
  }
  if (best.from < 0) return groups.join(':');
  return `${groups.slice(0, best.from).join(':')}::${groups.slice(best.from + best.length).join(':')}`;
}
