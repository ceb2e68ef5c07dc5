import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { validate } from 'dockerfile-utils';
import { parseAllDocuments } from 'yaml';
import { loadConfiguration } from '../../src/config/load.ts';
import { createProject, packageRoot } from '../helpers/project.ts';

const read = (name: string) => readFileSync(join(packageRoot, 'docs/examples', name), 'utf8');

/** What the test looks at. */
interface Manifest {
  readonly kind: string;
  readonly data: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly Container[];
      };
    };
  };
}

interface Container {
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } };
}

const exposed = () => /^EXPOSE (.+)$/m.exec(read('Dockerfile'))?.[1]?.split(' ').map(Number);

test('docs/examples/Dockerfile is one, and ph is its process 1', () => {
  assert.deepEqual(validate(read('Dockerfile')), []);
  assert.match(read('Dockerfile'), /^ENTRYPOINT \["\/app\/node_modules\/\.bin\/ph"\]\nCMD \["run"\]$/m);
  assert.equal(validate(read('Dockerfile').replace('ENTRYPOINT', 'ENTRYPIONT')).length, 1);
});

test('docs/examples/kubernetes.yaml is YAML, and fits its ph.ini and the Dockerfile', t => {
  const documents = parseAllDocuments(read('kubernetes.yaml'));
  assert.deepEqual(
    documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]),
    [],
  );
  const [configMap, deployment, service] = documents.map(document => document.toJS() as Manifest);
  assert.deepEqual(
    [configMap?.kind, deployment?.kind, service?.kind],
    ['ConfigMap', 'Deployment', 'Service'],
  );

  const project = createProject(t, { 'ph.ini': configMap?.data['ph.ini'] ?? '', 'tasks/web.ts': '' });
  const { sections, supervisor } = loadConfiguration({
    file: project.path('ph.ini'),
    directory: project.directory,
    env: {},
  });
  const web = sections.get('web');
  const addresses = [...(web?.bind ?? []), supervisor.metricsBind];
  const ports = addresses.flatMap(address => (address?.type === 'tcp' ? address.port : []));
  const { containers, terminationGracePeriodSeconds } = deployment?.spec.template.spec ?? assert.fail();
  const container = containers[0] ?? assert.fail();
  assert.deepEqual(
    container.ports.map(({ containerPort }) => containerPort),
    ports,
  );
  assert.deepEqual(exposed(), ports);

  const preStop = Number(container.lifecycle.preStop.exec.command[1]);
  assert.ok(terminationGracePeriodSeconds > preStop + (web?.gracefulTimeout ?? Infinity) / 1000);
  assert.deepEqual(container.livenessProbe?.httpGet, { path: '/livez', port: 'metrics' });
  assert.deepEqual(container.readinessProbe?.httpGet, { path: '/readyz', port: 'metrics' });
  assert.ok(container.ports.some(({ name }) => name === 'metrics'));
});
