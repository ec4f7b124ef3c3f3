// conform.mjs MODULES MESHCACHE WORK: runs the public suite twice at the same time, with meshcache's defaults
// and with the settings of settings.txt, and holds every outcome against outcomes.txt. Prints what differs;
// exit code 1 if anything does. With MESHCACHE_UPDATE_GOLDEN=1 it writes outcomes.txt anew instead, and keeps
// the reasons. WORK is a folder for logs and raw results.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { differences, faults, readOutcomes, totals, writeOutcomes } from './outcomes.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [modules, meshcache, work] = process.argv.slice(2);
const listFile = path.join(here, 'outcomes.txt');

const flags = fs.readFileSync(path.join(here, 'settings.txt'), 'utf8').split('\n')
  .map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');

const run = async (name, more) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [path.join(here, 'suite.mjs'), modules, meshcache, path.join(work, `${name}.log`), ...more],
    { maxBuffer: 1 << 26 },
  ).catch((error) => {
    console.log(`FAILED: the run with ${name} did not end well:\n${error.stderr || error.message}`);
    process.exit(1);
  });
  fs.writeFileSync(path.join(work, `${name}.json`), stdout);
  return JSON.parse(stdout);
};

const [defaults, settings] = await Promise.all([run('defaults', []), run('settings', flags)]);
const now = defaults.map((test, i) => ({
  ...test,
  outcomes: [test.outcome, settings[i].outcome],
  details: [test.detail, settings[i].detail],
}));

const listed = readOutcomes(fs.existsSync(listFile) ? fs.readFileSync(listFile, 'utf8') : '');
let complaints;
if (process.env.MESHCACHE_UPDATE_GOLDEN === '1') {
  const text = writeOutcomes(now, listed);
  fs.writeFileSync(listFile, text);
  complaints = faults(readOutcomes(text));
  console.log(`Wrote ${listFile}.`);
} else {
  complaints = [...differences(listed, now), ...faults(listed)];
}

for (const line of totals(now)) console.log(line);
if (complaints.length > 0) {
  console.log(`\n${complaints.length} lines of tests/conformance/outcomes.txt are not right:`);
  for (const complaint of complaints) console.log(`  ${complaint}`);
  console.log(`tests/conformance/README.md says how to write them anew. What was sent: ${work}/*.log`);
  process.exitCode = 1;
}
