// suite.mjs MODULES MESHCACHE LOG IDS [FLAG...]: one run of the public suite. Starts the suite's origin on a free
// loopback port and a meshcache with FLAGs before it, runs every test, and own.mjs's, and prints them in the
// suite's order as a JSON array of {group, id, kind, outcome, detail}. IDS, separated by commas, are the only ones
// to run, with what they depend on; all if it is empty. What the origin and meshcache say goes to LOG.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import own from './own.mjs';

const [modules, meshcache, logFile, ids, ...flags] = process.argv.slice(2);
const suite = path.join(modules, 'http-cache-tests');
const load = (file) => import(pathToFileURL(path.resolve(file)));

const log = fs.createWriteStream(logFile);
console.log = (...words) => log.write(`${words.join(' ')}\n`);
console.error = console.log;

// The suite's origin listens on every interface and at a fixed port, and leaves its process id in a file.
const startOrigin = async () => {
  const { listen } = net.Server.prototype;
  const ready = new Promise((resolve, reject) => {
    net.Server.prototype.listen = function listenOnLoopback() {
      this.on('listening', () => resolve(this.address().port)).on('error', reject);
      return listen.call(this, { host: '127.0.0.1', port: 0 });
    };
  });
  Object.assign(process.env, {
    npm_config_protocol: 'http',
    npm_config_port: '80',
    npm_config_pidfile: `${logFile}.origin-pid`,
  });
  await load(path.join(suite, 'server/server.mjs'));
  const port = await ready;
  net.Server.prototype.listen = listen;
  return port;
};

const startMeshcache = (upstream) => {
  const child = spawn(
    meshcache,
    ['--listen=127.0.0.1:0', '--admin=127.0.0.1:0', `--upstream=127.0.0.1:${upstream}`, '--memory=64MiB',
      '--threads=2',
      // Less than node's 5 s, after which it closes an idle connection: a POST that meets that cannot be sent again.
      '--upstream-keepalive=2s', ...flags],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => { child.on('close', (code) => resolve(code)); });
  const listening = new Promise((resolve, reject) => {
    let said = '';
    const hear = (piece) => {
      log.write(piece);
      said += piece;
      const at = /(?<!admin )listening on ([^\s,"]+)/.exec(said);
      if (at) resolve(at[1]);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    ended.then((code) => reject(new Error(`meshcache ended with ${code}:\n${said}`)));
  });
  return { child, ended, listening };
};

// The suite shows its verdicts as signs; these are the words for them.
const words = {
  '✅': 'passed', '⛔️': 'failed', '⚠️': 'failed', Y: 'yes', N: 'no', '🔹': 'setup', '⁉️': 'broken',
  '⚪️': 'depends', '↻': 'retry', '-': 'untested',
};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
const proxy = startMeshcache(await startOrigin());
const address = await proxy.listening;

const { default: published } = await load(path.join(suite, 'tests/index.mjs'));
const all = [...published, ...own];
const byId = new Map(all.flatMap((group) => group.tests).map((test) => [test.id, test]));
const chosen = new Set();
const choose = (id) => {
  if (chosen.has(id)) return;
  chosen.add(id);
  (byId.get(id).depends_on ?? []).forEach(choose);
};
(ids === '' ? [...byId.keys()] : ids.split(',')).forEach(choose);
const groups = all.map((group) => ({ ...group, tests: group.tests.filter((test) => chosen.has(test.id)) }));
const { runTests, getResults } = await load(path.join(suite, 'client/runner.mjs'));
const { determineTestResult } = await load(path.join(suite, 'lib/display.mjs'));
const fetch = createRequire(path.resolve(modules, 'x'))('node-fetch');

// Fewer at a time than by default: with 100, a loaded machine makes a response a second old before it arrives.
await runTests(groups, fetch, false, `http://${address}`, 60);
const results = getResults();
const outcomes = [];
for (const group of groups) {
  for (const test of group.tests.filter((t) => t.browser_only !== true)) {
    const said = results[test.id];
    const detail = Array.isArray(said) ? said.join(': ').replace(/[0-9a-f]{8}(-[0-9a-f]{4,}){4}/g, 'UUID') : '';
    outcomes.push({
      group: group.name,
      id: test.id,
      kind: own.some(({ id }) => id === group.id) ? 'own' : test.kind ?? 'required',
      outcome: words[determineTestResult(groups, test.id, results)[2]],
      detail,
    });
  }
}
proxy.child.kill('SIGTERM');
const code = await proxy.ended;
if (code !== 0) throw new Error(`meshcache ended with ${code}`);
process.stdout.write(`${JSON.stringify(outcomes)}\n`, () => process.exit(0));
