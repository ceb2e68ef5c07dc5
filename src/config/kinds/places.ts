/** Paths, addresses and URLs. */

import { BlockList, isIP, isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { type Kind, unexpected, ValueError } from './kind.ts';

/** Absolute. */
export const path: Kind<string> = {
  label: 'path',
  parse(text, directory) {
    if (text === '' || text.includes('\0')) throw unexpected('a path', text);
    return resolve(directory, text);
  },
  absolute: (text, directory) => (text === '' ? text : resolve(directory, text)),
};

/** A path, or undefined for standard error. */
export const pathOrStderr: Kind<string | undefined> = {
  label: 'path, or `stderr`',
  parse: (text, directory) => (text === 'stderr' ? undefined : path.parse(text, directory)),
  absolute: (text, directory) => (text === '' || text === 'stderr' ? text : resolve(directory, text)),
};

/** Where to listen. */
export type Address =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'fd'; readonly fd: number };

const EXPECTED_ADDRESS = 'host:port, [v6]:port, unix:path or fd://N';

export const address: Kind<Address> = {
  label: '`host:port`, `[v6]:port`, `unix:path` or `fd://N`',
  parse(text, directory) {
    if (text.startsWith('unix:')) return { type: 'unix', path: path.parse(text.slice(5), directory) };
    const fd = /^fd:\/\/(\d{1,9})$/.exec(text)?.[1];
    if (fd !== undefined) return { type: 'fd', fd: Number(fd) };
    const [, v6, name, digits] = /^(?:\[([^\]]*)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text) ?? [];
    const host = v6 ?? name;
    const port = Number(digits);
    if (host === undefined || (v6 !== undefined && !isIPv6(v6))) throw unexpected(EXPECTED_ADDRESS, text);
    if (port > 65_535) throw unexpected('a port from 0 to 65535', text);
    return { type: 'tcp', host, port };
  },
  absolute: (text, directory) =>
    text.startsWith('unix:') ? `unix:${path.absolute?.(text.slice(5), directory)}` : text,
};

/** As it would be written in a file, paths absolute. */
export function formatAddress(address: Address): string {
  switch (address.type) {
    case 'tcp':
      return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
    case 'unix':
      return `unix:${address.path}`;
    case 'fd':
      return `fd://${address.fd}`;
  }
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine can reach an IP address, or a name. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 0) return host.toLowerCase() === 'localhost';
  return loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}

/** Addresses with commas between them. */
export const addresses: Kind<readonly Address[]> = {
  label: `${address.label}; several with commas`,
  parse(text, directory) {
    const parts = text.split(',').map(part => part.trim());
    if (parts.includes('')) throw unexpected(`${EXPECTED_ADDRESS}, with commas between several`, text);
    return parts.map(part => address.parse(part, directory));
  },
  absolute: (text, directory) =>
    text
      .split(',')
      .map(part => address.absolute?.(part.trim(), directory))
      .join(', '),
};

/** A URL of one of these protocols. The message never shows it: URLs hold passwords. */
export function url(...protocols: readonly string[]): Kind<string> {
  const forms = protocols.map(protocol => `${protocol}://`);
  return {
    label: `URL: ${forms.map(form => `\`${form}\``).join(', ')}`,
    parse(text) {
      if (!forms.some(form => text.startsWith(form)) || !URL.canParse(text)) {
        throw new ValueError(
          `expected a URL that begins with ${forms.join(', ')}; in a password, write # / ? @ and other signs as %XX`,
        );
      }
      const { protocol, pathname } = new URL(text);
      if (protocol.startsWith('redis') && !/^(\/\d*)?$/.test(pathname)) {
        throw new ValueError(
          'expected nothing after the host and port of redis://, or the number of a database: /0',
        );
      }
      return text;
    },
  };
}
