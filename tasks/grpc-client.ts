/** Calls the service of `tasks/grpc.ts`: `node --import tsx tasks/grpc-client.ts 127.0.0.1:50051`. */

import { fileURLToPath } from 'node:url';
import {
  type CallOptions,
  type Client,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type requestCallback,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';

interface Range {
  readonly from: number;
  readonly to: number;
}

interface PrimesClient extends Client {
  Count(range: Range, options: CallOptions, callback: requestCallback<{ primes: number }>): void;
  List(range: Range): ClientReadableStream<{ primes: number[] }>;
}

interface HealthClient extends Client {
  check(request: { service: string }, callback: requestCallback<{ status: string }>): void;
}

type ClientClass<C> = new (address: string, creds: ReturnType<typeof credentials.createInsecure>) => C;

const [address = '127.0.0.1:50051'] = process.argv.slice(2);
const protocol = fileURLToPath(new URL('primes.proto', import.meta.url));
const definition = loadPackageDefinition(loadSync([protocol, protoPath], { enums: String })) as unknown as {
  primes: { v1: { Primes: ClientClass<PrimesClient> } };
  grpc: { health: { v1: { Health: ClientClass<HealthClient> } } };
};
const primes = new definition.primes.v1.Primes(address, credentials.createInsecure());
const health = new definition.grpc.health.v1.Health(address, credentials.createInsecure());

function count(range: Range, options: CallOptions = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    primes.Count(range, options, (error, reply) => (error ? reject(error) : resolve(reply?.primes ?? 0)));
  });
}

health.check({ service: 'primes.v1.Primes' }, (error, reply) => {
  console.log(`health: ${error ? error.message : reply?.status}`);
});
console.log(`primes below 1,000,000: ${await count({ from: 0, to: 1_000_000 })}`);

const pieces = await primes.List({ from: 0, to: 200_000 }).toArray();
const listed = pieces.flatMap(piece => piece.primes);
console.log(`listed ${listed.length} in ${pieces.length} pieces: ${listed.slice(0, 5)} … ${listed.at(-1)}`);

const failure = await count({ from: 0, to: 50_000_000 }, { deadline: Date.now() + 100 }).catch(
  (error: ServiceError) => error,
);
console.log(`with a deadline of 100 ms: ${typeof failure === 'number' ? failure : status[failure.code]}`);
primes.close();
health.close();
