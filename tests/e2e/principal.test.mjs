// One event that schools certify: people who see their school alone get through the wizard, those
// of the district sign for its schools when they have all schools, and nobody sees more than that.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, test} from 'node:test';
import {call, closeAll, list, Refusal, stream} from './lib/client.mjs';
import {generate, waitFor} from './lib/cluster.mjs';
import {
  activateRule, addMember, certificationOf, command, createEvent, createOrganization, csvOf, download,
  ensureState, eventOf, LOCAL_TOOLS, push, readDistrict, STATE_TOOLS, versions,
  watchReport} from './lib/world.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edcert-e2e-'));
after(() => {
  closeAll();
  fs.rmSync(folder, {recursive: true});
});
generate(folder, '--seed', '41', '--students', '60', '--schools', '2', '--clean');
const district = readDistrict(folder);
const [school, otherSchool] = district.schools;

const sam = 'school-sam';  // at the state, approver
const pat = 'school-pat';  // of the school alone, certifier there
const sue = 'school-sue';  // of the district with all schools, certifier there
const dee = 'school-dee';  // of the district without its schools, certifier there
const oz = 'school-oz';  // of the school, in no category

const refused = (reason, promise) =>
  assert.rejects(promise, (error) => error instanceof Refusal && error.reason === reason);
const createUser = (id, organization, all_schools, tool_grants) =>
  command('admin', 'registry.CreateUser', {user_id: id, user: {display_name: id,
    email: `${id}@example.org`, tool_grants,
    assignments: [{organization: `organizations/${organization}`, all_schools}]}});

let event;
let name;  // of the school's certification
const get = (user) => call(user, 'workflow.GetCertification', {name});
const listed = (user) => list(user, 'workflow.ListCertifications', {event: event.name},
    'certifications');

async function submit(user) {
  const seen = await get(user);
  return command(user, 'workflow.SubmitCertification', {certification: name, etag: seen.etag,
    snapshot: seen.candidate_snapshot, acknowledged_warnings: true,
    attestation_text_version: seen.attestation_text_version});
}

test('an event for schools', {timeout: 120_000}, async () => {
  await ensureState();
  for (const {id, kind, name: title, parent} of district.organizations) {
    await createOrganization(command, id, kind, title, parent);
  }
  await createUser(sam, 'state', false, STATE_TOOLS);
  await createUser(pat, school.id, false, LOCAL_TOOLS);
  await createUser(sue, district.id, true, LOCAL_TOOLS);
  await createUser(dee, district.id, false, LOCAL_TOOLS);
  await createUser(oz, school.id, false, LOCAL_TOOLS);
  const category = await command(sam, 'registry.CreateCategory',
      {category_id: 'by-school', category: {title: 'By school', level: 'LEVEL_SCHOOL'}});
  await addMember(command, sam, category.name, sam, 'APPROVER', 'state');
  await addMember(command, sam, category.name, pat, 'CERTIFIER', school.id);
  for (const user of [sue, dee]) {
    await addMember(command, sam, category.name, user, 'CERTIFIER', district.id);
  }
  await command(sam, 'registry.PublishCategory', {name: category.name, etag: category.etag});

  const rule = await command(sam, 'validation.CreateRule', {rule: {
    code: 'SCHOOL-1', title: 'Name', meaning: 'A student has a name.', severity: 'SEVERITY_WARNING',
    datasets: ['datasets/enrollment'], message: 'No name: {student_uid}.',
    row: {expression: 'first_name IS NULL'},
    fixtures: [{rows: [{values: {student_uid: '1'}, must_fire: true}]}]}});
  const active = await activateRule(command, sam, rule);
  const draft = await command(sam, 'validation.CreateRuleGroup', {rule_group: {
    title: 'For schools', level: 'LEVEL_SCHOOL', rules: [{rule: active.name}]}});
  const group = await command(sam, 'validation.ActivateRuleGroup',
      {name: draft.name, etag: draft.etag});
  event = await createEvent(command, sam, 'school-fall', eventOf('Schools', category.name, group,
      [school.id, otherSchool.id], {level: 'LEVEL_SCHOOL', datasets: ['datasets/enrollment']}),
  group);
  name = (await certificationOf(pat, event.name, school.id)).name;
});

test('the roster has who has the school in scope', async () => {
  assert.deepEqual((await get(pat)).required_certifiers.toSorted(),
      [`users/${pat}`, `users/${sue}`]);
  const {required_certifiers: other} = await certificationOf(sue, event.name, otherSchool.id);
  assert.deepEqual(other, [`users/${sue}`]);
});

test('nobody sees the certifications of others', async () => {
  assert.deepEqual((await listed(pat)).map((row) => row.name), [name]);
  assert.equal((await listed(sue)).length, 2);
  for (const user of [dee, oz]) {
    assert.deepEqual(await listed(user), [], user);
    await refused('NOT_FOUND', get(user));
  }
  await refused('NOT_FOUND', call(pat, 'dataset.GetVersions',
      {district: district.organization, copy: 'COPY_STATE'}));
});

test('the principal goes through the wizard and signs', {timeout: 120_000}, async () => {
  await push(sue, district.id, 'enrollment', csvOf(district.rows.enrollment));
  await waitFor('the records to reach the state', async () =>
    (await versions(sue, district.id, 'COPY_STATE')).enrollment.row_count ===
        district.rows.enrollment.length);
  await command(pat, 'workflow.StartCertification', {certification: name});
  for (const step of [1, 2]) {
    const {report} = await command(pat, 'workflow.GenerateStepReport',
        {certification: name, step, format: 'REPORT_FORMAT_HTML'});
    await watchReport(pat, report.name);
    assert.equal((await get(pat)).steps[step - 1].state, 'READY_TO_VIEW');
    await download(pat, report.name);
    assert.equal((await get(pat)).steps[step - 1].state, 'COMPLETED');
  }
  await command(pat, 'workflow.TakeSnapshot',
      {certification: name, etag: (await get(pat)).etag, format: 'REPORT_FORMAT_HTML'});
  const {candidate_snapshot: snapshot} = await get(pat);
  const sealed = (await stream(pat, 'snapshot.WatchSnapshot', {name: snapshot})).at(-1);
  assert.equal(sealed.state, 'SEALED');
  assert.deepEqual(sealed.data_versions.map(({rows}) => rows),
      [district.rows.enrollment.filter((row) => row.school_id === school.id).length],
      'the records of the school alone');
  const report = await waitFor('the report of the snapshot', async () =>
    (await get(pat)).steps[2].report);
  await watchReport(pat, report);
  await download(pat, report);
  const signed = await submit(pat);
  assert.deepEqual([signed.status, signed.user_status],
      ['IN_PROGRESS', 'USER_STATUS_CERTIFICATION_COMPLETE']);
});

test('the superintendent signs for the school, and it is sent', {timeout: 60_000}, async () => {
  for (const {report} of (await get(sue)).steps) await download(sue, report);
  assert.equal((await submit(sue)).status, 'SENT');
});

test('a closed event is shown to nobody outside the state', async () => {
  const {etag} = await call(sam, 'registry.GetEvent', {name: event.name});
  await command(sam, 'registry.CloseEvent', {name: event.name, etag, reason: 'Done.'});
  for (const user of [pat, sue]) {
    assert.deepEqual(await listed(user), [], user);
    await refused('NOT_FOUND', get(user));
  }
  assert.equal((await listed(sam)).length, 2);
});
