/** What systemd would get: a real Unix datagram socket, which Node does not have and Perl, part of every Debian, does. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import type { Project } from './project.ts';

const receiver = `
use Socket;
$| = 1;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($socket, sockaddr_un($ARGV[0])) or die $!;
print "listening\\n";
while (defined recv($socket, my $message, 65536, 0)) { $message =~ s/\\n/|/g; print "$message\\n"; }
`;

/** Stands for the one of systemd where that is not installed. */
const sender = `#!/usr/bin/perl
use Socket;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!;
send($socket, join("\\n", @ARGV), 0, sockaddr_un($ENV{NOTIFY_SOCKET})) or die $!;
`;

/** How long a test waits for a message before it fails, ms. */
const patience = 20_000;

export interface NotifySocket {
  /** For the environment of `ph`. */
  readonly env: NodeJS.ProcessEnv;
  /** All that came so far, each with `|` between its lines. */
  readonly messages: readonly string[];
  /** The first that matches, from the `from`-th on; waits for it. */
  message(match: RegExp, from?: number): Promise<string>;
}

/** Listens until the test ends. */
export async function listenAsSystemd(t: TestContext, project: Project): Promise<NotifySocket> {
  const path = project.path('notify.sock');
  const child = spawn('perl', ['-e', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp(t, async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const messages: string[] = [];
  const waiting = new Set<() => void>();
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  lines.on('line', line => {
    // With it systemd-notify waits until all before it has been read.
    if (line === 'BARRIER=1') return;
    messages.push(line);
    for (const check of [...waiting]) check();
  });
  chmodSync(project.write('bin/systemd-notify', sender), 0o755);
  // Behind all others: the real one is taken where there is one.
  return {
    env: { NOTIFY_SOCKET: path, PATH: `${process.env.PATH}:${project.path('bin')}` },
    messages,
    message: (match, from = 0) =>
      new Promise((resolve, reject) => {
        const settle = (action: () => void) => {
          clearTimeout(timer);
          waiting.delete(check);
          action();
        };
        const check = () => {
          const found = messages.slice(from).find(message => match.test(message));
          if (found !== undefined) settle(() => resolve(found));
        };
        const timer = setTimeout(
          () => settle(() => reject(new Error(`no ${match} came:\n${messages.slice(from).join('\n')}`))),
          patience,
        );
        waiting.add(check);
        check();
      }),
  };
}
