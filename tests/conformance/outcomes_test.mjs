// What outcomes.mjs must notice; run by `node --test`.
import assert from 'node:assert/strict';
import test from 'node:test';
import { differences, faults, readOutcomes, totals, writeOutcomes } from './outcomes.mjs';

const ran = (id, kind, ...outcomes) => ({ group: 'G', id, kind, outcomes, details: ['why', ''] });
const tests = [
  ran('a', 'required', 'passed', 'passed'),
  ran('b', 'optimal', 'failed', 'passed'),
  ran('c', 'check', 'no', 'yes'),
];
const text = `
required  passed  passed  a
optimal   failed  passed  b  RFC 9111, 3: because
check     no      yes     c
`;
const listed = readOutcomes(text);

test('a list that says what was found has no differences and no faults', () => {
  assert.deepEqual(differences(listed, tests), []);
  assert.deepEqual(faults(listed), []);
});

test('every change of a line is a difference', () => {
  for (const [was, is, id] of [
    ['passed  passed  a', 'failed  passed  a', 'a'],
    ['failed  passed  b', 'failed  failed  b', 'b'],
    ['no      yes     c', 'yes     yes     c', 'c'],
    ['required', 'optimal', 'a'],
    ['passed  a', 'passed  d', 'a'],
  ]) {
    const found = differences(readOutcomes(text.replace(was, is)), tests);
    assert.ok(found.length > 0 && found[0].startsWith(id), `${is}: ${found}`);
  }
  assert.match(differences(listed, tests.slice(1))[0], /^a: is listed, and was not run/);
  assert.match(differences(listed, [ran('a', 'required', 'retry', 'passed')])[0], /retry in place of passed \(why\)/);
});

test('a reason must be there when a test does not pass, and must not when it does', () => {
  assert.match(faults(readOutcomes('required failed passed a'))[0], /^a: does not pass/);
  assert.match(faults(readOutcomes('own passed failed a'))[0], /^a: does not pass/);
  assert.match(faults(readOutcomes('optimal passed passed a RFC'))[0], /^a: passes/);
  assert.deepEqual(faults(readOutcomes('check no no a')), []);
});

test('what is written can be read, and keeps the reasons that still hold', () => {
  const again = readOutcomes(writeOutcomes(tests, listed));
  assert.deepEqual(differences(again, tests), []);
  assert.equal(again.get('b').reason, 'RFC 9111, 3: because');
  const mended = [tests[0], ran('b', 'optimal', 'passed', 'passed'), tests[2]];
  assert.equal(readOutcomes(writeOutcomes(mended, listed)).get('b').reason, '');
});

test('the totals count by kind and run', () => {
  assert.deepEqual(totals(tests), [
    'defaults: 1 of 1 required, 0 of 1 optimal, 0 of 1 check, 0 of 0 own',
    'settings: 1 of 1 required, 1 of 1 optimal, 1 of 1 check, 0 of 0 own',
  ]);
});
