/** What `rpc.discover` answers: an OpenRPC document, https://spec.open-rpc.org. */

import type { Method } from './methods.ts';
import { readParameter } from './parameter.ts';

/** Of types nothing is left at run time: any value fits. */
const anything = {};

interface ContentDescriptor {
  readonly name: string;
  readonly required?: boolean;
  readonly schema: object;
}

interface MethodDescription {
  readonly name: string;
  readonly params: readonly ContentDescriptor[];
  readonly paramStructure: 'by-name' | 'by-position' | 'either';
  readonly result: ContentDescriptor;
}

export interface OpenRpcDocument {
  readonly openrpc: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly methods: readonly MethodDescription[];
}

export function describeService(title: string, methods: Iterable<Method>): OpenRpcDocument {
  return {
    openrpc: '1.3.2',
    // The document's own version.
    info: { title, version: '1.0.0' },
    methods: [...methods].map(describeMethod),
  };
}

function describeMethod(method: Method): MethodDescription {
  const { name } = method;
  const parameter = readParameter(String('task' in method ? method.source : method.run));
  const result = { name: 'result', schema: anything };
  if (parameter === undefined) return { name, params: [], paramStructure: 'either', result };
  const params = parameter.members.map(member => ({ ...member, schema: anything }));
  return { name, params, paramStructure: parameter.isObject ? 'by-name' : 'by-position', result };
}
