// What becomes of a snapshot when superseded records are deleted by the state's policy: it keeps
// its records, and a report that is made of it afterwards finds what was in them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {after, test} from 'node:test';
import {call, closeAll, list, stream} from './lib/client.mjs';
import {cluster, clusterPy, quote, sql, sqlNumber, waitFor} from './lib/cluster.mjs';
import {
  activateRule, command, createCategory, createEvent, createOrganization, createUser, csvOf,
  download, ensureState, eventOf, LOCAL_TOOLS, push, STATE_TOOLS,
  watchReport} from './lib/world.mjs';

after(closeAll);

const D = 'history-district';
const S = 'history-school';
const sam = 'history-sam';  // at the state, approver
const ann = 'history-ann';  // certifier
const district = `organizations/${D}`;
const dataset = 'datasets/enrollment';
const w = {};

// So many students, of whom those are called as nobody is.
const students = (count, ...wrong) => Array.from({length: count}, (_, i) => ({
  student_uid: `88000000${i + 10}`, school_id: S, entry_date: '2025-08-18', school_year: 2026,
  first_name: wrong.includes(i) ? 'Zzz' : 'Ada'}));

// Pushes the records and waits until the state has them. Returns the version of its copy.
async function arrive(rows) {
  await push(ann, D, 'enrollment', csvOf(rows));
  await waitFor('the records to reach the state', async () =>
    (await call(ann, 'dataset.CompareCopies', {district, dataset})).differences.length === 0);
  const answer = await call(ann, 'dataset.GetVersions',
      {copy: 'COPY_STATE', district, datasets: [dataset]});
  return answer.versions[0].version;
}

const recordsOf = (version) => list(sam, 'dataset.ListRecords',
    {dataset, district, copy: 'COPY_STATE', version}, 'records');

async function snapshot() {
  const {name} = await command(sam, 'snapshot.CreateSnapshot',
      {event: w.event.name, organization: district});
  const states = await stream(sam, 'snapshot.WatchSnapshot', {name});
  assert.equal(states.at(-1).state, 'SEALED');
  return states.at(-1);
}

// The report of a snapshot: its facts, and the keys of the records that it finds.
async function reportOf({name: frozen}) {
  const {name} = await command(ann, 'validation.CreateReport', {event: w.event.name,
    organization: district, kind: 'REPORT_KIND_SNAPSHOT', format: 'REPORT_FORMAT_JSON',
    snapshot: frozen});
  const {report} = await watchReport(ann, name);
  const findings = await list(ann, 'validation.ListFindings', {report: name}, 'findings');
  const {content} = await download(ann, name);
  for (const {record_key: key} of findings) assert.ok(content.includes(key));
  return {report, keys: findings.map(({record_key: key}) => key).sort()};
}

async function restart(service) {
  for (const name of cluster().services[service].processes) {
    await clusterPy('kill', name, '--signal', 'TERM');
    await clusterPy('start', name);
  }
}

const OF_DISTRICT = `copy = 'STATE' AND dataset = 'enrollment' AND district_id = ${quote(D)}`;

test('a small world', {timeout: 120_000}, async () => {
  await ensureState();
  await createOrganization(command, D, 'KIND_DISTRICT', D, 'state');
  await createOrganization(command, S, 'KIND_SCHOOL', 'Lincoln', D);
  await createUser(command, sam, sam, 'state', STATE_TOOLS);
  await createUser(command, ann, ann, D, LOCAL_TOOLS);
  const category = await createCategory(command, sam, 'history', 'History', [
    [sam, 'APPROVER', 'state'], [ann, 'CERTIFIER', D]]);
  const rule = await activateRule(command, sam, await command(sam, 'validation.CreateRule', {rule: {
    code: 'HISTORY-1', title: 'Name', meaning: 'Nobody is called so.', severity: 'SEVERITY_FATAL',
    datasets: [dataset], fields: ['student_uid', 'first_name'],
    message: '{student_uid} is called so.',
    row: {expression: "first_name = 'Zzz'"},
    fixtures: [{rows: [{values: {first_name: 'Zzz'}, must_fire: true}]}]}}));
  const draft = await command(sam, 'validation.CreateRuleGroup', {rule_group: {
    title: 'History', level: 'LEVEL_DISTRICT', rules: [{rule: rule.name}]}});
  const group = await command(sam, 'validation.ActivateRuleGroup',
      {name: draft.name, etag: draft.etag});
  w.event = await createEvent(command, sam, 'history-fall',
      eventOf('History', category.name, group, [D], {datasets: [dataset]}), group);
});

test('a snapshot keeps its records when history is deleted', {timeout: 240_000}, async () => {
  const frozen = await arrive(students(12, 2, 5, 7));
  const before = await recordsOf(frozen);
  assert.equal(before.length, 12);
  w.snapshot = await snapshot();
  assert.deepEqual(w.snapshot.data_versions.map(({version, rows}) => [version, rows]),
      [[frozen, 12]]);
  // The one between is in no snapshot, and the newest has nothing of what was frozen wrong.
  const between = await arrive(students(9, 0, 1));
  const newest = await arrive(students(6));
  assert.equal((await recordsOf(between)).length, 9, 'nothing goes before there is a policy');

  for (const config of cluster().services.dataset.configs) {
    fs.appendFileSync(config, 'keep_history_days: 1\n');
  }
  await restart('dataset');
  await waitFor('the current version to be seen', () => sqlNumber(
      `SELECT count(*) FROM dataset.version_mark WHERE ${OF_DISTRICT} AND version = ${newest}`));
  assert.equal((await recordsOf(between)).length, 9, 'it was superseded today');
  // Days pass.
  await sql(`UPDATE dataset.version_mark SET seen_at = seen_at - interval '2 days'
              WHERE ${OF_DISTRICT}`);
  await restart('dataset');
  await waitFor('history to be deleted', () => sqlNumber(
      `SELECT count(*) FROM dataset.version_horizon
        WHERE ${OF_DISTRICT} AND kept_from = ${newest} AND purged_to = kept_from`));

  await assert.rejects(recordsOf(between), {reason: 'VERSION_PURGED'});
  const left = await sql(`SELECT DISTINCT valid_from <= ${frozen} FROM dataset.enrollment_history
                           WHERE copy = 'STATE' AND district_id = ${quote(D)}`);
  assert.deepEqual(left, [['t']], 'what only the version between had is gone');
  assert.deepEqual(await recordsOf(frozen), before);
});

test('its report is made afterwards, of what it froze', {timeout: 120_000}, async () => {
  await restart('validation_report');  // nothing comes from a worker's memory
  const {report, keys} = await reportOf(w.snapshot);
  assert.equal(report.snapshot, w.snapshot.name);
  assert.deepEqual(report.data_versions.map(({rows}) => rows), [12]);
  assert.equal(keys.length, 3);
  const wrong = students(12, 2, 5, 7).filter(({first_name: name}) => name === 'Zzz');
  for (const [i, {student_uid: uid}] of wrong.entries()) assert.ok(keys[i].includes(uid), keys[i]);
  const again = await reportOf(w.snapshot);
  assert.deepEqual(again.keys, keys);
  // What the state has now is judged by itself.
  const now = await snapshot();
  assert.deepEqual((await reportOf(now)).keys, []);
  assert.deepEqual((await reportOf(w.snapshot)).keys, keys);
});
