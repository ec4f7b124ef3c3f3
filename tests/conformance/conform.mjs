// conform.mjs MODULES MESHCACHE WORK: runs the public suite twice at the same time, with meshcache's defaults
// and with the settings of settings.txt, and holds every outcome against outcomes.txt. Prints what differs;
// exit code 1 if anything does, or if the README's numbers do. With MESHCACHE_UPDATE_GOLDEN=1 it writes
// outcomes.txt and the numbers anew instead, and keeps the reasons. WORK is a folder for logs and raw results.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { differences, faults, readmeRows, readOutcomes, totals, writeOutcomes } from './outcomes.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [modules, meshcache, work] = process.argv.slice(2);
const listFile = path.join(here, 'outcomes.txt');
const readmeFile = path.join(here, '../../README.md');

const flags = fs.readFileSync(path.join(here, 'settings.txt'), 'utf8').split('\n')
  .map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');

const run = async (name, ids, more) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [path.join(here, 'suite.mjs'), modules, meshcache, path.join(work, `${name}.log`), ids, ...more],
    { maxBuffer: 1 << 26 },
  ).catch((error) => {
    console.log(`FAILED: the run with ${name} did not end well:\n${error.stderr || error.message}`);
    process.exit(1);
  });
  fs.writeFileSync(path.join(work, `${name}.json`), stdout);
  return JSON.parse(stdout);
};

const runs = (name, ids = '') => Promise.all([
  run(`defaults${name}`, ids, []),
  run(`settings${name}`, ids, flags),
]);

const listed = readOutcomes(fs.existsSync(listFile) ? fs.readFileSync(listFile, 'utf8') : '');
let found = await runs('');
// The suite's times are whole seconds, and a loaded machine can be slower than that. What is another outcome now
// is asked again, with little else at the same time; a change of meshcache's stays.
const surprises = found[0].filter(({ id }, i) => {
  const before = listed.get(id);
  return before && found.some((tests, run_) => tests[i].outcome !== before.outcomes[run_]);
}).map(({ id }) => id);
if (surprises.length > 0) {
  const again = await runs('-again', surprises.join(','));
  found = found.map((tests, run_) => tests.map(
    (test) => (surprises.includes(test.id) ? again[run_].find(({ id }) => id === test.id) : test),
  ));
}
const now = found[0].map((test, i) => ({
  ...test,
  outcomes: found.map((tests) => tests[i].outcome),
  details: found.map((tests) => tests[i].detail),
}));

let readme = fs.readFileSync(readmeFile, 'utf8');
let complaints;
if (process.env.MESHCACHE_UPDATE_GOLDEN === '1') {
  const text = writeOutcomes(now, listed);
  fs.writeFileSync(listFile, text);
  complaints = faults(readOutcomes(text));
  for (const { begins, row } of readmeRows(now)) {
    readme = readme.split('\n').map((line) => (line.startsWith(begins) ? row : line)).join('\n');
  }
  fs.writeFileSync(readmeFile, readme);
  console.log(`Wrote ${listFile}.`);
} else {
  complaints = [...differences(listed, now), ...faults(listed)];
}

for (const { row } of readmeRows(now)) {
  if (!readme.includes(`${row}\n`)) complaints.push(`README.md should say: ${row}`);
}

for (const line of totals(now)) console.log(line);
if (complaints.length > 0) {
  console.log(`\n${complaints.length} lines, of tests/conformance/outcomes.txt unless it says so, are not right:`);
  for (const complaint of complaints) console.log(`  ${complaint}`);
  console.log(`tests/conformance/README.md says how to write them anew. What was sent: ${work}/*.log`);
  process.exitCode = 1;
}
