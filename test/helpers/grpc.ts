/** Clients made from the `.proto` files of the services that `tasks/grpc.ts` offers. */

import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  loadPackageDefinition,
  type requestCallback,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { cleanUp } from './cleanup.ts';
import { packageRoot } from './project.ts';

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface PrimesClient extends Client {
  Count(range: Range, options: CallOptions, callback: requestCallback<{ primes: number }>): ClientUnaryCall;
  List(range: Range, options?: CallOptions): ClientReadableStream<{ primes: number[] }>;
}

export interface HealthClient extends Client {
  check(request: { service: string }, callback: requestCallback<{ status: string }>): ClientUnaryCall;
  watch(request: { service: string }): ClientReadableStream<{ status: string }>;
}

export interface ReflectionClient extends Client {
  ServerReflectionInfo(): ClientDuplexStream<
    { listServices: string },
    { listServicesResponse: { service: { name: string }[] } }
  >;
}

type ClientClass<C> = new (address: string, creds: ReturnType<typeof credentials.createInsecure>) => C;

const reflectionProto = 'node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto';
const protos = [join(packageRoot, 'tasks/primes.proto'), healthProto, join(packageRoot, reflectionProto)];
const { primes, grpc } = loadPackageDefinition(loadSync(protos, { enums: String })) as unknown as {
  primes: { v1: { Primes: ClientClass<PrimesClient> } };
  grpc: {
    health: { v1: { Health: ClientClass<HealthClient> } };
    reflection: { v1: { ServerReflection: ClientClass<ReflectionClient> } };
  };
};

/** Closed when the test ends. */
export function connect(t: TestContext, address: string) {
  const insecure = credentials.createInsecure();
  const clients = {
    primes: new primes.v1.Primes(address, insecure),
    health: new grpc.health.v1.Health(address, insecure),
    reflection: new grpc.reflection.v1.ServerReflection(address, insecure),
  };
  cleanUp(t, () => {
    for (const client of Object.values(clients)) client.close();
  });
  return clients;
}

export function count(client: PrimesClient, range: Range, options: CallOptions = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    client.Count(range, options, (error, reply) => (error ? reject(error) : resolve(reply?.primes ?? 0)));
  });
}

/** The name of the status that a call ends with. */
export async function statusOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    return status[(error as ServiceError).code] ?? String(error);
  }
}
