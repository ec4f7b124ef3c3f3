// check.mjs FILE...: checks rendered Kubernetes manifests without a cluster. Each document is type-checked
// as an object literal against the API's TypeScript interfaces (unknown fields at any depth, wrong types,
// missing fields), validated by the API's JSON schema, and held against the project's own rules, below.
// Prints each fault; exit code 1 if there is any.
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const here = path.dirname(new URL(import.meta.url).pathname);
let faults = 0;
const fault = (where, what) => {
  console.log(`${where}: ${what}`);
  faults += 1;
};

function documents(file) {
  const out = [];
  for (const document of parseAllDocuments(fs.readFileSync(file, 'utf8'), { uniqueKeys: true })) {
    for (const error of document.errors) fault(file, error.message);
    const object = document.toJS();
    if (object) out.push(object);
  }
  return out;
}

function checkTypes(file, objects) {
  const lines = objects.map(
    (object, i) =>
      `import type { I${object.kind} as T${i} } from "kubernetes-models/${object.apiVersion}";\n` +
      `export const d${i}: T${i} = ${JSON.stringify(object, null, 1)};\n`,
  );
  // Beside node_modules, so that the imports resolve; held in memory only.
  const name = path.join(here, 'rendered.ts');
  const options = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (f, ...rest) =>
    f === name ? ts.createSourceFile(f, lines.join(''), options.target) : getSourceFile.call(host, f, ...rest);
  host.fileExists = (f) => f === name || fileExists.call(host, f);
  host.readFile = (f) => (f === name ? lines.join('') : readFile.call(host, f));
  for (const d of ts.getPreEmitDiagnostics(ts.createProgram([name], options, host))) {
    const line = d.file ? d.file.text.split('\n')[d.file.getLineAndCharacterOfPosition(d.start).line].trim() : '';
    fault(file, `${line} -- ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`);
  }
}

async function checkSchema(file, object) {
  const models = await import(`kubernetes-models/${object.apiVersion}`);
  try {
    new models[object.kind](object).validate();
  } catch (error) {
    fault(file, `${object.kind}/${object.metadata?.name}: ${error.message}`);
  }
}

const seconds = (text) => {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  return number * { ms: 0.001, s: 1, m: 60, h: 3600 }[unit];
};

// What the project asks of its own manifests.
function checkRules(file, objects) {
  for (const object of objects.filter((o) => o.kind === 'Deployment')) {
    const where = `${file}: Deployment/${object.metadata.name}`;
    const pod = object.spec.template.spec;
    const all = [...(pod.initContainers ?? []), ...pod.containers];
    if (!pod.securityContext?.runAsNonRoot) fault(where, 'runAsNonRoot is wanted');
    if (pod.securityContext?.seccompProfile?.type !== 'RuntimeDefault') fault(where, 'seccomp RuntimeDefault is wanted');
    for (const container of all) {
      const s = container.securityContext ?? {};
      const hard = s.readOnlyRootFilesystem && s.allowPrivilegeEscalation === false && s.capabilities?.drop?.includes('ALL');
      if (!hard) fault(where, `${container.name}: read-only root, no escalation and no capabilities are wanted`);
      if (!container.resources?.limits?.memory) fault(where, `${container.name}: a memory limit is wanted`);
      const ports = new Set((container.ports ?? []).flatMap((p) => [p.name, p.containerPort]));
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
        const port = container[probe]?.httpGet?.port;
        if (port !== undefined && !ports.has(port)) fault(where, `${container.name}: ${probe} asks at ${port}, which is not its port`);
      }
    }
    const sidecar = pod.initContainers?.find((c) => c.name === 'meshcache');
    if (!sidecar) continue;
    if (sidecar.restartPolicy !== 'Always') fault(where, 'the sidecar is no native one: restartPolicy: Always is wanted');
    const value = (name) => sidecar.env?.find((e) => e.name === name)?.value;
    const drain = seconds(value('MESHCACHE_DRAIN_TIMEOUT') ?? '20s');
    const pause = Math.max(0, ...pod.containers.map((c) => c.lifecycle?.preStop?.sleep?.seconds ?? 0));
    if (!(pod.terminationGracePeriodSeconds > drain + pause))
      fault(where, `terminationGracePeriodSeconds must be above ${pause} s of preStop and ${drain} s of drain time-out`);
    const service = objects.find((o) => o.kind === 'Service' && o.metadata.name === object.metadata.name);
    const listens = Number(/:(\d+)$/.exec(value('MESHCACHE_LISTEN') ?? ':8080')[1]);
    if (!service?.spec.ports.some((p) => p.targetPort === listens)) fault(where, `no Service leads to the sidecar's port ${listens}`);
  }
  const names = objects.map((o) => `${o.kind}/${o.metadata.name}`);
  for (const name of names.filter((n, i) => names.indexOf(n) !== i)) fault(file, `${name} stands there twice`);
}

for (const file of process.argv.slice(2)) {
  const objects = documents(file);
  if (objects.length === 0) fault(file, 'no object');
  checkTypes(file, objects);
  for (const object of objects) await checkSchema(file, object);
  checkRules(file, objects);
  console.log(`${file}: ${objects.length} objects checked`);
}
process.exit(faults === 0 ? 0 : 1);
