/** Whether others than this machine can call a service, and whether that is meant. */

import type { Server } from 'node:net';
import { formatAddress, isLoopback } from '../config/kinds/places.ts';
import type { SectionConfig } from '../config/types.ts';
import { ConfigError } from '../errors.ts';

type ExposureConfig = Pick<SectionConfig, 'name' | 'task' | 'bind' | 'rpcToken' | 'rpcPublic'>;

/** Throws a `ConfigError` where others can reach an address of `bind`, and there is neither `rpc_token` nor `rpc_public`. */
export function checkExposure(config: ExposureConfig): void {
  for (const address of config.bind ?? []) {
    if (address.type === 'tcp') checkHost(config, address.host, address.port);
  }
}

/** The same of a server that listens: what an inherited fd is bound to is not known before. */
export function checkServer(config: ExposureConfig, server: Server): void {
  const address = server.address();
  if (typeof address === 'object' && address !== null) checkHost(config, address.address, address.port);
}

function checkHost({ name, task, rpcToken, rpcPublic }: ExposureConfig, host: string, port: number): void {
  if (rpcToken !== undefined || rpcPublic || isLoopback(host)) return;
  const message =
    `anyone who can reach ${formatAddress({ type: 'tcp', host, port })} could call the tasks of this section: ` +
    'set rpc_token, or rpc_public = true where that is meant';
  throw new ConfigError([
    { file: task, section: name, key: 'bind', code: 'PH_ERR_CONFIG_RPC_PUBLIC', message },
  ]);
}
