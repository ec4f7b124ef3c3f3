// The list of outcomes: reading, writing and comparing. A line is a test:
//   kind  outcome-with-defaults  outcome-with-settings  id  reason
// The reason says why a test does not pass, and is written by hand; outcomes.mjs keeps it.
const columns = /^(required|optimal|check|own)\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+(.*))?$/;
const runs = ['defaults', 'settings'];
const good = new Set(['passed', 'yes']);

const passedOf = (tests, kind, run) => {
  const those = tests.filter((test) => test.kind === kind);
  return `${those.filter((test) => good.has(test.outcomes[run])).length} of ${those.length}`;
};

/// The lines of a list by test id; what is no line of a test is left out.
export const readOutcomes = (text) => {
  const listed = new Map();
  for (const line of text.split('\n')) {
    const at = columns.exec(line);
    if (at) listed.set(at[4], { id: at[4], kind: at[1], outcomes: [at[2], at[3]], reason: at[5] ?? '' });
  }
  return listed;
};

/// How many tests of each kind passed, one line a run.
export const totals = (tests) => runs.map((name, i) => {
  const counts = ['required', 'optimal', 'check', 'own'].map((kind) => `${passedOf(tests, kind, i)} ${kind}`);
  return `${name}: ${counts.join(', ')}`;
});

/// The rows of the README's table, by the words that they begin with.
export const readmeRows = (tests) => ['| the defaults', '| those settings'].map((begins, i) => {
  const cells = ['required', 'optimal'].map((kind) => passedOf(tests, kind, i));
  return { begins, row: `${begins} | ${cells.join(' | ')} |` };
});

/// The whole list, with the reasons of `before` for tests that still do not pass.
export const writeOutcomes = (tests, before) => {
  const width = Math.max(...tests.map((test) => test.id.length));
  const lines = [
    '# What meshcache makes of each test of http-cache-tests; README.md in this folder explains the columns.',
    ...totals(tests).map((line) => `# ${line}`),
  ];
  let group;
  for (const test of tests) {
    if (test.group !== group) lines.push('', `# ${test.group}`);
    group = test.group;
    const passes = test.outcomes.every((outcome) => good.has(outcome));
    const reason = passes ? '' : before.get(test.id)?.reason ?? '';
    const [first, second] = test.outcomes.map((outcome) => outcome.padEnd(8));
    lines.push(`${test.kind.padEnd(8)}  ${first}  ${second}  ${test.id.padEnd(width)}  ${reason}`.trimEnd());
  }
  return `${lines.join('\n')}\n`;
};

/// Sentences on each test whose outcome is not the listed one.
export const differences = (listed, tests) => {
  const out = [];
  const ids = new Set(tests.map((test) => test.id));
  for (const test of tests) {
    const line = listed.get(test.id);
    if (!line) {
      out.push(`${test.id}: is not listed; it is ${test.kind}, and ${test.outcomes.join(' and ')}`);
      continue;
    }
    if (line.kind !== test.kind) out.push(`${test.id}: is ${test.kind}, and not ${line.kind}`);
    runs.forEach((name, i) => {
      if (line.outcomes[i] === test.outcomes[i]) return;
      const why = test.details[i] === '' ? '' : ` (${test.details[i]})`;
      out.push(`${test.id} (${test.kind}, ${name}): ${test.outcomes[i]} in place of ${line.outcomes[i]}${why}`);
    });
  }
  for (const id of listed.keys()) if (!ids.has(id)) out.push(`${id}: is listed, and was not run`);
  return out;
};

/// Sentences on lines that lack a reason, or have one that has lost its cause.
export const faults = (listed) => {
  const out = [];
  for (const { id, kind, outcomes, reason } of listed.values()) {
    const passes = outcomes.every((outcome) => good.has(outcome));
    if (passes && reason !== '') out.push(`${id}: passes, and needs no reason`);
    if (!passes && kind !== 'check' && reason === '') out.push(`${id}: does not pass; beside it must stand why`);
  }
  return out;
};
