// What was certified a year ago comes with the reports of this year's event: through the wizard, for
// people who do not see last year's event any more.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {after, test} from 'node:test';
import {call, closeAll, list, stream} from './lib/client.mjs';
import {root, waitFor} from './lib/cluster.mjs';
import {
  activateRule, certificationOf, certify, command, createCategory, createEvent, createOrganization,
  createUser, csvOf, day, download, ensureState, eventOf, getCertification, LOCAL_TOOLS, push,
  reviewStep, STATE_TOOLS, watchReport} from './lib/world.mjs';

after(closeAll);

const D = 'lastyear-district';
const S = 'lastyear-school';
const OTHER = 'lastyear-other';
const sam = 'lastyear-sam';  // at the state, approver
const ann = 'lastyear-ann';  // certifier
const w = {};

// So many students on the count date of a school year.
const students = (year, count) => Array.from({length: count}, (_, i) => ({
  student_uid: `77000000${i + 10}`, school_id: S, entry_date: `${year - 1}-08-18`,
  school_year: year}));

async function arrive(rows) {
  await push(ann, D, 'enrollment', csvOf(rows));
  await waitFor('the records to reach the state', async () =>
    (await call(ann, 'dataset.CompareCopies', {district: `organizations/${D}`,
      dataset: 'datasets/enrollment'})).differences.length === 0);
}

const signedOf = async (certification) =>
  (await getCertification(sam, certification)).certified_snapshot;

test('a small world', {timeout: 120_000}, async () => {
  await ensureState();
  await createOrganization(command, D, 'KIND_DISTRICT', D, 'state');
  await createOrganization(command, OTHER, 'KIND_DISTRICT', OTHER, 'state');
  await createOrganization(command, S, 'KIND_SCHOOL', 'Lincoln', D);
  await createUser(command, sam, sam, 'state', STATE_TOOLS);
  await createUser(command, ann, ann, D, LOCAL_TOOLS);
  const category = await createCategory(command, sam, 'lastyear', 'Last year', [
    [sam, 'APPROVER', 'state'], [ann, 'CERTIFIER', D]]);
  const shipped = JSON.parse(fs.readFileSync(path.join(root, 'rules/enrollment.json'), 'utf8'))
      .find(({code}) => code === 'ENR-022');
  const rule = await activateRule(command, sam,
      await command(sam, 'validation.CreateRule', {rule: {...shipped, code: 'LASTYEAR-22'}}));
  const draft = await command(sam, 'validation.CreateRuleGroup', {rule_group: {
    title: 'Last year', level: 'LEVEL_DISTRICT',
    rules: [{rule: rule.name, parameter_values: {students: '1'}}]}});
  w.group = await command(sam, 'validation.ActivateRuleGroup', {name: draft.name, etag: draft.etag});
  assert.deepEqual(w.group.datasets, ['datasets/enrollment', 'datasets/last_year_enrollment',
    'datasets/organization']);
  const publish = (id, reporting_year) => createEvent(command, sam, id,
      eventOf(id, category.name, w.group, [D],
          {reporting_year, datasets: ['datasets/enrollment', 'datasets/organization']}), w.group);
  w.then = await publish('lastyear-then', 2025);
  w.now = await publish('lastyear-now', 2026);
  w.certifiedThen = (await certificationOf(ann, w.then.name, D)).name;
  w.certification = (await certificationOf(ann, w.now.name, D)).name;
});

test('a report compares with what is certified of the year before', {timeout: 120_000}, async () => {
  await arrive(students(2025, 10));
  await reviewStep(ann, w.certification, 1);
  const step = async () => (await getCertification(ann, w.certification)).steps[0];
  const {report: alone} = await step();
  assert.equal((await call(ann, 'validation.GetReport', {name: alone})).previous_snapshot, '');

  await certify(w.certifiedThen, [ann]);
  const first = await signedOf(w.certifiedThen);
  assert.notEqual(first, '');
  assert.equal((await step()).state, 'STALE', 'there is something to compare with now');
  await reviewStep(ann, w.certification, 1);
  assert.equal((await step()).state, 'COMPLETED');
  const made = await call(ann, 'validation.GetReport', {name: (await step()).report});
  assert.equal(made.previous_snapshot, first);
  assert.deepEqual(made.previous_data_versions.map(({dataset, copy, rows}) => [dataset, copy, rows]),
      [['datasets/enrollment', 'COPY_STATE', 10]]);

  const {etag} = await getCertification(sam, w.certifiedThen);
  await command(sam, 'workflow.ReturnForRecertification',
      {certification: w.certifiedThen, etag, reason: 'Look again.', due: day(7)});
  assert.equal((await step()).state, 'COMPLETED', 'what was certified stands until it is replaced');
  await certify(w.certifiedThen, [ann]);
  w.snapshot = await signedOf(w.certifiedThen);
  assert.notEqual(w.snapshot, first);
  assert.equal((await step()).state, 'STALE', 'another snapshot is certified');
});

test('it finds what became of it, after the event is closed', {timeout: 120_000}, async () => {
  const {etag} = await call(sam, 'registry.GetEvent', {name: w.then.name});
  await command(sam, 'registry.CloseEvent', {name: w.then.name, etag, reason: 'Done.'});
  await assert.rejects(call(ann, 'snapshot.GetSnapshot', {name: w.snapshot}), {code: 'NOT_FOUND'});
  await arrive(students(2026, 6));
  const {report: {name}} = await command(ann, 'workflow.GenerateStepReport',
      {certification: w.certification, step: 1, format: 'REPORT_FORMAT_HTML'});
  const {report} = await watchReport(ann, name);
  assert.equal(report.previous_snapshot, w.snapshot);
  const findings = await list(ann, 'validation.ListFindings', {report: name}, 'findings');
  assert.deepEqual(findings.map(({message}) => message),
      [`Lincoln (${S}) has 6 students on the count date; a year ago it had 10.`]);
  const {content} = await download(ann, name);
  assert.ok(content.includes(w.snapshot) && content.includes('last_year_enrollment'));
});

test('a rule is tried against last year before it is in use', {timeout: 60_000}, async () => {
  const organizations = [`organizations/${D}`, `organizations/${OTHER}`];
  const preview = async (changes) => {
    const messages = await stream(sam, 'validation.PreviewRule', {name: w.group.rules[0].rule,
      parameter_values: {students: '1'}, organizations, ...changes});
    return messages.slice(0, -1).map(({organization}) =>
      [organization.findings, organization.previous_snapshot]);
  };
  assert.deepEqual(await preview({}), [[0, ''], [0, '']]);
  assert.deepEqual(await preview({previous_event: w.then.name}), [[1, w.snapshot], [0, '']]);
  await assert.rejects(preview({previous_event: 'events/lastyear-nothing'}), {code: 'NOT_FOUND'});
});

test('a snapshot of another organisation is no last year', {timeout: 60_000}, async () => {
  const ask = (changes) => command(sam, 'validation.CreateReport', {rule_group: w.group.name,
    organization: `organizations/${D}`, kind: 'REPORT_KIND_STATE_DATA',
    format: 'REPORT_FORMAT_HTML', previous_snapshot: w.snapshot, ...changes});
  assert.equal((await ask({})).previous_snapshot, w.snapshot);
  await assert.rejects(ask({organization: `organizations/${OTHER}`}), {reason: 'SNAPSHOT_MISMATCH'});
  await assert.rejects(ask({previous_snapshot: 'snapshots/01890a5d-ac96-774b-bcce-b302099a8057'}),
      {code: 'NOT_FOUND'});
});
