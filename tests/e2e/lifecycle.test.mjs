// What becomes of things in the end: requests withdrawn and denied, rounds cancelled, reports
// cancelled and retried, rights and members taken away, messages read and dismissed, events deleted
// and closed; and watchers, who cost nothing while nothing happens.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, test} from 'node:test';
import {
  addressesOf, call, closeAll, list, newId, Refusal, stream, upload} from './lib/client.mjs';
import {cluster, feedsAreRead, generate, quote, sql, waitFor, workersOf} from './lib/cluster.mjs';
import {methods} from './lib/protos.mjs';
import {
  activateRule, APPROVER_TOOLS, certificationOf, certify, command, createCategory, createEvent,
  createOrganization, createRules, createUser, csvOf, DATASETS, download, ensureState, eventOf,
  getCertification, LOCAL_TOOLS, push, pushParts, readDistrict, reviewStep, sign, STATE_TOOLS, takeSnapshot,
  versions, watchReport} from './lib/world.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edcert-lifecycle-'));
after(() => {
  closeAll();
  fs.rmSync(folder, {recursive: true});
});

generate(folder, '--seed', '11', '--students', '60', '--schools', '2', '--clean');
const district = readDistrict(folder);
const D = district.organization;
const LOCAL = ['ann', 'carl', 'rita'];
const w = {};

let broken = false;
const chapter = (name, tell) => test(name, {timeout: 180_000}, async (t) => {
  if (broken) return t.skip('an earlier chapter failed');
  try {
    await tell();
  } catch (error) {
    broken = true;
    throw error;
  }
});

async function refused(code, reason, promise) {
  const error = await promise.then(() => undefined, (thrown) => thrown);
  assert.ok(error instanceof Refusal, `refused with ${reason}, but got ${error ?? 'an answer'}`);
  assert.deepEqual([error.code, error.reason], [code, reason], error.message);
}

const get = (user, name = w.certification) => getCertification(user, name);

// A command on the certification, with its present etag.
async function act(user, verb, content = {}) {
  const {etag} = await get(user);
  return command(user, `workflow.${verb}`, {certification: w.certification, etag, ...content});
}

async function messages(user, cause, filter = {}) {
  await feedsAreRead();
  const found = await list(user, 'notification.ListMessages', {parent: `users/${user}`, ...filter},
      'messages');
  return found.filter((message) => message.cause === `CAUSE_${cause}`);
}

// Who has how many messages of a cause.
async function told(cause, counts) {
  for (const user of [...LOCAL, 'ava']) {
    assert.equal((await messages(user, cause)).length, counts[user] ?? 0, `${cause} for ${user}`);
  }
}

async function lastMove() {
  const moves = await list('ann', 'workflow.ListTransitions', {certification: w.certification},
      'transitions');
  const {from, action, to, actor} = moves.at(-1);
  return [from, action, to, actor];
}

async function isIn(status, round, userStatuses) {
  for (const user of [...LOCAL, 'ava']) {
    const seen = await get(user);
    assert.deepEqual([user, seen.status, seen.round, seen.user_status],
        [user, status, round, `USER_STATUS_${userStatuses[user] ?? 'NA'}`]);
  }
}

const BOTH_COMPLETE = {ann: 'COMPLETE', carl: 'COMPLETE'};
const BOTH_SIGNED = {ann: 'CERTIFICATION_COMPLETE', carl: 'CERTIFICATION_COMPLETE'};

chapter('a district with records and an event', async () => {
  await ensureState();
  for (const {id, kind, name, parent} of district.organizations) {
    await createOrganization(command, id, kind, name, parent);
  }
  await createUser(command, 'sam', 'Sam', 'state', STATE_TOOLS);
  await createUser(command, 'ava', 'Ava', 'state', APPROVER_TOOLS);
  for (const user of LOCAL) await createUser(command, user, user, district.id, LOCAL_TOOLS);
  await feedsAreRead();  // The state takes records of schools that it knows.
  for (const name of DATASETS) await push('ann', district.id, name, csvOf(district.rows[name]));
  await waitFor('the state copy', async () => {
    const found = await versions('ann', district.id, 'COPY_STATE');
    return DATASETS.every((name) => found[name].row_count === district.rows[name].length);
  });
  w.category = await createCategory(command, 'sam', 'attendance', 'Attendance', [
    ['ava', 'APPROVER', 'state'], ['ann', 'CERTIFIER', district.id],
    ['carl', 'CERTIFIER', district.id], ['rita', 'REVIEWER', district.id]]);
  const made = await createRules(command, 'sam', 'attendance');
  Object.assign(w, {group: made.group, rules: made.rules});
  w.event = await createEvent(command, 'sam', 'attendance',
      eventOf('Attendance', w.category.name, w.group, [district.id]), w.group);
  w.certification = (await certificationOf('ann', w.event.name, district.id)).name;
  await feedsAreRead();
});

// --- Rules --------------------------------------------------------------------------------------

chapter('a rule gets a new version, and the event keeps its own', async () => {
  const seen = await call('sam', 'validation.GetRule', {name: w.rules[0].name});
  const updated = await command('sam', 'validation.UpdateRule',
      {rule: {...seen, title: 'Sharper', tags: ['spring']}});
  assert.deepEqual([updated.state, updated.active_version, updated.newest_version], ['ACTIVE', 1, 2]);
  const activate = (user, etag) => command(user, 'validation.ActivateRule', {name: seen.name, etag});
  const asked = await activate('sam', updated.etag);
  assert.deepEqual([asked.active_version, asked.pending_activation.user], [1, 'users/sam']);
  const active = await activate('admin', asked.etag);
  assert.deepEqual([active.active_version, active.pending_activation], [2, null]);

  const group = await command('sam', 'validation.UpdateRuleGroup', {rule_group: {...w.group,
    rules: w.group.rules.map(({rule}) => ({rule}))}});
  assert.deepEqual([group.active_version, group.newest_version, group.rules[0].version], [1, 2, 2]);
  w.group = await command('sam', 'validation.ActivateRuleGroup',
      {name: group.name, etag: group.etag});
  const event = await call('ann', 'registry.GetEvent', {name: w.event.name});
  assert.equal(event.rule_group_version, 1);

  const inactive = await command('sam', 'validation.DeactivateRule',
      {name: active.name, etag: active.etag});
  assert.equal(inactive.state, 'INACTIVE');
  await activate('admin', (await activate('sam', inactive.etag)).etag);
});

chapter('a rule is tried before it is in use, and goes out and in as text', async () => {
  const messages = await stream('sam', 'validation.PreviewRule',
      {event: w.event.name, rule: {code: 'TRY-1', title: 'All', meaning: 'Every record is bad.',
        severity: 'SEVERITY_FATAL', datasets: ['datasets/enrollment'], message: 'Bad.',
        row: {expression: 'true'}}});
  assert.deepEqual(messages[0].organization.name, D);
  assert.equal(messages[0].organization.findings, district.rows.enrollment.length);
  assert.deepEqual(messages[1].summary,
      {organizations: 1, with_findings: 1, blocked: 1, errors: 0, left_out: 0,
        findings: district.rows.enrollment.length});
  const [, ...parts] = await stream('sam', 'validation.ExportRules', {});
  const rules_json = Buffer.concat(parts.map(({chunk}) => chunk)).toString();
  const again = await command('sam', 'validation.ImportRules', {rules_json, dry_run: true});
  assert.equal(again.unchanged, w.rules.length);
});

// --- Messages -----------------------------------------------------------------------------------

chapter('a message is read, then dismissed', async () => {
  const [message] = await messages('rita', 'EVENT_PUBLISHED', {unread_only: true});
  assert.deepEqual([message.read_at, message.dismissed_at], [null, null]);
  const read = await command('rita', 'notification.MarkRead', {name: message.name});
  assert.ok(read.read_at);
  assert.deepEqual(await messages('rita', 'EVENT_PUBLISHED', {unread_only: true}), []);
  assert.deepEqual(await messages('rita', 'EVENT_PUBLISHED'), [read]);
  assert.deepEqual(await command('rita', 'notification.MarkRead', {name: message.name}), read,
      'it keeps its first time');

  const dismissed = await command('rita', 'notification.Dismiss', {name: message.name});
  assert.deepEqual(dismissed.read_at, read.read_at);
  assert.ok(dismissed.dismissed_at);
  assert.deepEqual(await messages('rita', 'EVENT_PUBLISHED'), []);
  assert.deepEqual(await messages('rita', 'EVENT_PUBLISHED', {show_dismissed: true}), [dismissed]);
  assert.deepEqual(await call('rita', 'notification.GetMessage', {name: message.name}), dismissed);

  // Dismissing reads; and each person has his own.
  const [other] = await messages('carl', 'EVENT_PUBLISHED');
  assert.equal(other.read_at, null);
  assert.ok((await command('carl', 'notification.Dismiss', {name: other.name})).read_at);
});

// --- Reports ------------------------------------------------------------------------------------

// Runs something while no worker can take a report, or a job of another service.
async function withoutWorkers(run, service = 'validation_report') {
  const workers = [1, 2].flatMap((replica) => workersOf(`${service}-${replica}`).workers);
  assert.ok(workers.length >= 2);
  for (const pid of workers) process.kill(pid, 'SIGSTOP');
  try {
    return await run();
  } finally {
    for (const pid of workers) process.kill(pid, 'SIGCONT');
  }
}

const askReport = () => command('ann', 'validation.CreateReport', {organization: D,
  event: w.event.name, kind: 'REPORT_KIND_DISTRICT_DATA', format: 'REPORT_FORMAT_CSV'});
const changesOf = async (name) => (await sql(`SELECT type FROM validation.change
  WHERE subject = ${quote(name)} ORDER BY position`)).map(([type]) => type);

chapter('a report that waits is cancelled, and no worker makes it', async () => {
  const cancelled = await withoutWorkers(async () => {
    const {name, state} = await askReport();
    assert.equal(state, 'QUEUED');
    const answer = await command('carl', 'validation.CancelReport', {name});
    assert.equal(answer.state, 'CANCELLED');
    return answer;
  });
  const {name} = cancelled;
  assert.ok(cancelled.end_time);
  assert.equal((await stream('ann', 'validation.WatchReport', {name})).at(-1).state, 'CANCELLED');
  // The next one, which comes after it in the queue, is made.
  const next = await askReport();
  assert.notEqual(next.name, name, 'a cancelled report is not the equal one that waits');
  await watchReport('ann', next.name);
  assert.equal((await call('ann', 'validation.GetReport', {name})).state, 'CANCELLED');
  await refused('FAILED_PRECONDITION', 'REPORT_NOT_READY', download('ann', name));
  await refused('FAILED_PRECONDITION', 'TRANSITION_NOT_ALLOWED',
      command('ann', 'validation.CancelReport', {name}));
  await refused('FAILED_PRECONDITION', 'TRANSITION_NOT_ALLOWED',
      command('ann', 'validation.RetryReport', {name}));
  await waitFor('the feed', async () => (await changesOf(name)).length === 2);
  assert.deepEqual(await changesOf(name), ['report_queued', 'report_cancelled']);
});

chapter('a report that failed is retried at the same versions', async () => {
  // Nothing can be stored for a while; four of the five tries are taken as failed before.
  const name = await withoutWorkers(async () => {
    await sql('ALTER TABLE validation.report_rule ADD CONSTRAINT closed CHECK (false) NOT VALID');
    const report = await askReport();
    await sql(`UPDATE validation.job SET errors = 4 WHERE id = ${quote(report.name.split('/')[1])}`);
    return report.name;
  });
  const failed = (await stream('ann', 'validation.WatchReport', {name})).at(-1);
  assert.equal(failed.state, 'FAILED');
  assert.ok(failed.failure.message);
  assert.doesNotMatch(failed.failure.message, /report_rule|constraint/i, 'no inner detail');
  await sql('ALTER TABLE validation.report_rule DROP CONSTRAINT closed');
  // What is pushed meanwhile is not what the report is about.
  const rows = district.rows.enrollment.map((row, i) =>
    (i === 0 ? {...row, middle_name: 'Corrected'} : row));
  await push('ann', district.id, 'enrollment', csvOf(rows));

  const again = await command('ann', 'validation.RetryReport', {name});
  assert.equal(again.state, 'QUEUED');
  const {report} = await watchReport('ann', name);
  const versionsOf = (of) => of.data_versions.map(({dataset, version}) => [dataset, version]);
  assert.deepEqual(versionsOf(report), versionsOf(failed));
  assert.ok(report.attempt > failed.attempt);
  const {header, content} = await download('ann', name);
  assert.equal(Number(header.size), content.length);
  await waitFor('the feed', async () => (await changesOf(name)).at(-1) === 'report_completed');
  const types = await changesOf(name);
  assert.deepEqual(types.filter((type) => type === 'report_failed').length, 1);
  assert.deepEqual(types.filter((type) => type === 'report_completed').length, 1);
  // For what follows the copies are equal.
  const {enrollment: {version}} = await versions('ann', district.id, 'COPY_DISTRICT');
  await waitFor('the sync', async () =>
    (await versions('ann', district.id, 'COPY_STATE')).enrollment.row_count === rows.length &&
    (await list('ann', 'dataset.CompareCopies', {district: D, dataset: 'datasets/enrollment'},
        'differences')).length === 0 && version > 0);
});

// --- Datasets and copies ------------------------------------------------------------------------

const column = (name, type, more = {}) =>
  ({name, type: `TYPE_${type}`, personal_data: 'PERSONAL_DATA_PERSONAL', ...more});

// The columns of the records that differ, with both values.
const differing = async (dataset) =>
  (await list('ann', 'dataset.CompareCopies', {district: D, dataset}, 'differences'))
      .map(({record_key: key, kind, column_differences: columns}) => [key, kind.split('_').at(-1),
        ...columns.map((one) => [one.column, one.district_value, one.state_value])]);

chapter('the state adds a dataset and a column, and every replica knows them at once', async () => {
  const name = 'datasets/state_lunches';
  const replicas = addressesOf('dataset');
  assert.equal(replicas.length, 2);
  // Both have read the definitions before.
  for (const address of replicas) {
    await refused('NOT_FOUND', 'NOT_FOUND', call('ann', 'dataset.GetDataset', {name}, {address}));
  }
  const made = await command('sam', 'dataset.CreateDataset', {dataset_id: 'state_lunches', dataset: {
    title: 'Lunches', key_columns: ['student_uid', 'day'], school_column: 'school_id', columns: [
      column('student_uid', 'STRING', {length: 20, required: true}),
      column('school_id', 'STRING', {length: 20}),
      column('day', 'DATE', {required: true}),
      column('price', 'DECIMAL', {precision: 5, scale: 2})]}});
  assert.deepEqual([made.name, made.builtin], [name, false]);
  const school = district.rows.enrollment[0].school_id;
  const csv = (price) => `student_uid,school_id,day,price\n1,${school},2025-10-01,${price}\n` +
      `2,${school},2025-10-01,1.00\n`;
  for (const [i, address] of replicas.entries()) {
    assert.deepEqual(await call('ann', 'dataset.GetDataset', {name}, {address}), made);
    const parts = pushParts(district.id, 'state_lunches', csv(`${i + 2}.50`));
    const {version, rejected} = await upload('ann', 'dataset.PushRecords', parts, {address});
    assert.deepEqual([Number(version), Number(rejected)], [i + 1, 0]);
  }
  await waitFor('the sync', async () => (await differing(name)).length === 0 &&
    (await call('ann', 'dataset.ListRecords', {dataset: name, district: D, copy: 'COPY_STATE'}))
        .records.length === 2);

  // A rule of the state on it.
  const rule = await command('sam', 'validation.CreateRule', {rule: {
    code: 'LUNCH-1', title: 'Free lunch', meaning: 'A lunch has a price.',
    severity: 'SEVERITY_WARNING', datasets: [name], message: 'No price: {student_uid}.',
    row: {expression: 'price IS NULL'},
    fixtures: [{rows: [{values: {student_uid: '1'}, must_fire: true}]}]}});
  assert.equal((await activateRule(command, 'sam', rule)).state, 'ACTIVE');

  const grown = await command('sam', 'dataset.AddColumns',
      {name, columns: [column('dessert', 'STRING', {length: 20})]});
  assert.equal(grown.columns.at(-1).name, 'dessert');
  // A record without a dessert is the one that it was; and what differs is told with its values.
  await withoutWorkers(async () => {
    for (const address of replicas) {
      assert.deepEqual(await call('ann', 'dataset.GetDataset', {name}, {address}), grown);
      const parts = pushParts(district.id, 'state_lunches', csv('3.50'));
      const {unchanged} = await upload('ann', 'dataset.PushRecords', parts, {address});
      assert.equal(Number(unchanged), 2);
    }
    await push('ann', district.id, 'state_lunches', 'student_uid,school_id,day,price,dessert\n' +
      `1,${school},2025-10-01,4.00,Pie\n3,${school},2025-10-01,1.00,\n`);
    assert.deepEqual(await differing(name), [
      ['1|2025-10-01', 'DIFFERENT', ['price', '4.00', '3.50'], ['dessert', 'Pie', '']],
      ['2|2025-10-01', 'STATE'], ['3|2025-10-01', 'DISTRICT']]);
  }, 'dataset');
  await waitFor('the sync', async () => (await differing(name)).length === 0);
});

chapter('a resync is cancelled while it waits, and none of its work is done', async () => {
  const datasets = ['datasets/enrollment', 'datasets/state_lunches'];
  const {name} = await withoutWorkers(async () => {
    const resync = await command('ann', 'dataset.Resync', {district: D, datasets});
    assert.equal(resync.state, 'QUEUED');
    const answer = await command('ann', 'dataset.CancelResync', {name: resync.name});
    assert.equal(answer.state, 'CANCELLED');
    assert.ok(answer.end_time);
    return answer;
  }, 'dataset');
  assert.equal((await stream('ann', 'dataset.WatchResync', {name})).at(-1).resync.state, 'CANCELLED');
  // The next one comes after it in the queue, and tells its records.
  const next = await command('ann', 'dataset.Resync', {district: D, datasets});
  assert.notEqual(next.name, name);
  const {resync} = (await stream('ann', 'dataset.WatchResync', {name: next.name})).at(-1);
  assert.equal(resync.state, 'COMPLETED');
  assert.deepEqual([Number(resync.progress.done), Number(resync.progress.total)],
      Array(2).fill(district.rows.enrollment.length + 2));
  assert.equal((await call('ann', 'dataset.GetResync', {name})).state, 'CANCELLED');
  await refused('FAILED_PRECONDITION', 'TRANSITION_NOT_ALLOWED',
      command('ann', 'dataset.CancelResync', {name: next.name}));
});

// --- Requests and rounds ------------------------------------------------------------------------

chapter('a request is withdrawn: everything is as before', async () => {
  await certify(w.certification, ['ann', 'carl']);
  await isIn('SENT', 0, BOTH_SIGNED);
  const before = await get('ann');

  await act('carl', 'RequestRecertification', {reason: 'A student is missing.'});
  await isIn('RECERT_REQUESTED', 0, {...BOTH_SIGNED, carl: 'RECERT_REQUEST_PENDING'});
  // It is the request of the one who asked.
  await refused('PERMISSION_DENIED', 'NOT_PERMITTED', act('rita', 'WithdrawRecertificationRequest'));
  await act('carl', 'WithdrawRecertificationRequest');
  await isIn('SENT', 0, BOTH_SIGNED);
  const seen = await get('ann');
  assert.equal(seen.pending_request, null);
  assert.deepEqual(seen.signatures, before.signatures);
  assert.deepEqual([seen.certified_snapshot, seen.effective_due],
      [before.certified_snapshot, before.effective_due]);
  assert.deepEqual(await lastMove(), ['RECERT_REQUESTED', 'WITHDRAW_REQUEST', 'SENT', 'users/carl']);
  await told('REQUEST_WITHDRAWN', {ann: 1, carl: 1, ava: 1});
  const [request] = await messages('ava', 'RECERTIFICATION_REQUESTED');
  assert.ok(request.closed_at, 'there is nothing to decide any more');
});

chapter('a request is denied: an approved certification stays approved', async () => {
  const {certified_snapshot: snapshot} = await get('ava');
  await act('ava', 'ApproveCertification', {snapshot});
  await isIn('APPROVED', 0, BOTH_COMPLETE);
  await act('ann', 'RequestRecertification', {reason: 'A student is missing.'});
  await isIn('RECERT_REQUESTED', 0, {ann: 'RECERT_REQUEST_PENDING', carl: 'CERTIFICATION_COMPLETE'});
  await refused('INVALID_ARGUMENT', 'REASON_REQUIRED', act('ava', 'DenyRecertificationRequest'));
  await refused('PERMISSION_DENIED', 'NOT_PERMITTED',
      act('carl', 'DenyRecertificationRequest', {reason: 'No.'}));
  await act('ava', 'DenyRecertificationRequest', {reason: 'The count is final.'});
  await isIn('APPROVED', 0, BOTH_COMPLETE);
  assert.deepEqual([(await get('ann')).pending_request, (await get('ann')).certified_snapshot],
      [null, snapshot]);
  assert.deepEqual(await lastMove(), ['RECERT_REQUESTED', 'DENY_REQUEST', 'APPROVED', 'users/ava']);
  await told('REQUEST_DENIED', {ann: 1, carl: 1});
  assert.match((await messages('ann', 'REQUEST_DENIED'))[0].body, /The count is final\./);
});

chapter('a recertification is cancelled: the signatures count again', async () => {
  const before = await get('ann');
  await act('ava', 'ReturnForRecertification', {reason: 'Look again.', due: w.event.due_date});
  await isIn('RECERT_IN_PROGRESS', 1, {ann: 'INCOMPLETE', carl: 'INCOMPLETE'});
  assert.ok((await get('ann')).signatures.every(({voided_at}) => voided_at));
  await reviewStep('ann', w.certification, 1);
  await refused('INVALID_ARGUMENT', 'REASON_REQUIRED', act('ava', 'CancelRecertification'));
  await refused('PERMISSION_DENIED', 'NOT_PERMITTED',
      act('ann', 'CancelRecertification', {reason: 'No.'}));
  await act('ava', 'CancelRecertification', {reason: 'Returned by mistake.'});
  const seen = await get('ann');
  assert.equal(seen.status, 'APPROVED');
  assert.equal(seen.user_status, 'USER_STATUS_COMPLETE');
  assert.deepEqual([seen.certified_snapshot, seen.recertification_due],
      [before.certified_snapshot, before.recertification_due]);
  assert.deepEqual(seen.signatures, before.signatures);
  assert.deepEqual(await lastMove(),
      ['RECERT_IN_PROGRESS', 'CANCEL_RECERTIFICATION', 'APPROVED', 'users/ava']);
  await told('RECERTIFICATION_CANCELLED', {ann: 1, carl: 1, rita: 1});
  for (const user of LOCAL) {
    const [started] = await messages(user, 'RECERTIFICATION_STARTED');
    assert.ok(started.closed_at, `${user} need not certify again`);
  }
});

// --- Rights and members -------------------------------------------------------------------------

chapter('a right that is taken away is gone at once, and comes back', async () => {
  const {name, etag, tool_grants: grants} = await call('admin', 'registry.GetUser',
      {name: 'users/ann'});
  const rest = grants.filter(({tool}) => tool !== 'TOOL_CERTIFICATION_EVENT');
  const without = await command('admin', 'registry.SetToolRights', {name, etag, tool_grants: rest});
  assert.deepEqual(without.tool_grants, rest);
  await refused('PERMISSION_DENIED', 'NOT_PERMITTED',
      act('ann', 'RequestRecertification', {reason: 'May I?'}));
  const back = await command('admin', 'registry.SetToolRights',
      {name, etag: without.etag, tool_grants: grants});
  assert.deepEqual(back.tool_grants, grants);
  await act('ann', 'RequestRecertification', {reason: 'May I?'});
  await act('ann', 'WithdrawRecertificationRequest');
  await isIn('APPROVED', (await get('ann')).round, BOTH_COMPLETE);
});

chapter('a member who is removed sees nothing more and signs nothing more', async () => {
  const second = await createEvent(command, 'sam', 'second',
      eventOf('Second', w.category.name, w.group, [district.id]), w.group);
  const {name} = await certificationOf('ann', second.name, district.id);
  for (const step of [1, 2]) await reviewStep('ann', name, step);
  await takeSnapshot('ann', name);
  await sign('ann', name);
  assert.equal((await get('ann', name)).status, 'IN_PROGRESS');

  const members = await list('sam', 'registry.ListMembers', {category: w.category.name}, 'members');
  const remove = (user) => command('sam', 'registry.RemoveMember',
      {name: members.find((member) => member.user === `users/${user}`).name});
  await remove('rita');
  await refused('NOT_FOUND', 'NOT_FOUND', get('rita', name));

  // All who must sign have signed.
  await remove('carl');
  await waitFor('the roster to follow', async () => (await get('ann', name)).status === 'SENT');
  const seen = await get('ann', name);
  assert.deepEqual(seen.required_certifiers, ['users/ann']);
  const moves = await list('ann', 'workflow.ListTransitions', {certification: name}, 'transitions');
  assert.deepEqual([moves.at(-1).action, moves.at(-1).to], ['ROSTER_CHANGE', 'SENT']);
  const left = await list('sam', 'registry.ListMembers', {category: w.category.name}, 'members');
  assert.deepEqual(left.map(({user}) => user).toSorted(), ['users/ann', 'users/ava']);
  await refused('NOT_FOUND', 'NOT_FOUND', command('sam', 'registry.RemoveMember',
      {name: members.find(({user}) => user === 'users/carl').name}));
});

// --- The ends of events -------------------------------------------------------------------------

chapter('an event that was never published is deleted', async () => {
  const draft = await command('sam', 'registry.CreateEvent', {event_id: 'draft',
    event: eventOf('Draft', w.category.name, w.group, [district.id])});
  await command('sam', 'registry.DeleteEvent', {name: draft.name, etag: draft.etag});
  await refused('NOT_FOUND', 'NOT_FOUND', call('sam', 'registry.GetEvent', {name: draft.name}));
  const events = await list('sam', 'registry.ListEvents', {}, 'events');
  assert.ok(!events.some(({name}) => name === draft.name));
  await refused('NOT_FOUND', 'NOT_FOUND',
      command('sam', 'registry.DeleteEvent', {name: draft.name, etag: draft.etag}));
  const {audit_records: records} = await call('sam', 'registry.ListAuditRecords',
      {subject: draft.name});
  assert.deepEqual(records.map(({method}) => method.split('/')[1]), ['DeleteEvent', 'CreateEvent']);
});

chapter('a rule group goes out of use, and the events that have it go on', async () => {
  const {name} = w.group;
  const {etag} = await call('sam', 'validation.GetRuleGroup', {name});
  const inactive = await command('sam', 'validation.DeactivateRuleGroup', {name, etag});
  assert.equal(inactive.state, 'INACTIVE');
  const ask = (event) => command('ann', 'validation.CreateReport', {event, organization: D,
    kind: 'REPORT_KIND_DISTRICT_DATA', format: 'REPORT_FORMAT_JSON'});
  const {report} = await watchReport('ann', (await ask(w.event.name)).name);
  assert.equal(report.state, 'COMPLETED');
  const late = await createEvent(command, 'sam', 'late',
      eventOf('Late', w.category.name, w.group, [district.id]), w.group);
  await refused('FAILED_PRECONDITION', 'RULE_GROUP_INACTIVE', ask(late.name));
  w.group = await command('sam', 'validation.ActivateRuleGroup', {name, etag: inactive.etag});
  assert.equal(w.group.state, 'ACTIVE');
  assert.equal((await ask(late.name)).event, late.name);
});

// What every list shows a local person.
const CONTENT = {
  'dataset.ListSyncIssues': {district: D},
  'dataset.ListResyncs': {district: D},
  'dataset.ListRecords': {dataset: 'datasets/enrollment', copy: 'COPY_DISTRICT', district: D},
  'dataset.CompareCopies': {dataset: 'datasets/enrollment', district: D},
  'notification.ListMessages': {parent: 'users/ann'},
};

async function listsThatShow(user, event) {
  const found = [];
  for (const {key, name, request, policy} of methods()) {
    if (policy.call_class !== 'LIST' || !name.startsWith('List') || policy.caller === 'SERVICE') continue;
    const content = {...CONTENT[key], ...('page_size' in request.fields && {page_size: 1000})};
    const answer = await call(user, key, content).catch((error) => {
      assert.ok(['NOT_PERMITTED', 'NOT_FOUND', 'FIELD_INVALID'].includes(error.reason), error.message);
      return {};
    });
    if (JSON.stringify(answer).includes(event)) found.push(key);
  }
  return found.toSorted();
}

chapter('a closed event vanishes for local people, and stays for the state', async () => {
  const {name} = w.event;
  assert.deepEqual(await listsThatShow('ann', name),
      ['notification.ListMessages', 'registry.ListEvents', 'snapshot.ListSnapshots',
       'validation.ListReports', 'workflow.ListCertifications']);
  const seen = await get('ann');
  const {etag} = await call('sam', 'registry.GetEvent', {name});
  const closed = await command('sam', 'registry.CloseEvent', {name, etag, reason: 'Funding is computed.'});
  assert.equal(closed.status, 'STATUS_CLOSED');
  await feedsAreRead();

  // What is told of it stays told.
  assert.deepEqual(await listsThatShow('ann', name), ['notification.ListMessages']);
  await refused('NOT_FOUND', 'NOT_FOUND', call('ann', 'registry.GetEvent', {name}));
  await refused('NOT_FOUND', 'NOT_FOUND', get('ann'));
  await refused('NOT_FOUND', 'NOT_FOUND', call('ann', 'workflow.GetEventSummary', {event: name}));
  await refused('NOT_FOUND', 'NOT_FOUND', call('ann', 'workflow.ListTransitions',
      {certification: w.certification}));
  await refused('NOT_FOUND', 'NOT_FOUND', call('ann', 'snapshot.GetSnapshot',
      {name: seen.certified_snapshot}));
  await refused('NOT_FOUND', 'NOT_FOUND', command('ann', 'workflow.RequestRecertification',
      {certification: w.certification, etag: seen.etag, reason: 'Too late.'}));
  const [message] = await messages('ann', 'EVENT_CLOSED');
  assert.match(message.body, /Funding is computed\./);

  assert.equal((await get('ava')).status, 'APPROVED');
  assert.ok((await call('ava', 'snapshot.GetSnapshot', {name: seen.certified_snapshot})).root);
  assert.ok((await listsThatShow('sam', name)).includes('registry.ListEvents'));
});

// --- Watchers -----------------------------------------------------------------------------------

const WATCHERS = 20;

// Calls so far, by method, of all replicas of these services.
async function callsOf(...services) {
  const counts = {};
  for (const service of services) {
    for (const address of cluster().services[service].metrics_addresses) {
      const text = await (await fetch(`http://${address}/metrics`)).text();
      for (const [, method, value] of text.matchAll(/^edcert_rpc_total\{.*?method="([^"]+)".*?\} (\S+)$/gm)) {
        counts[method] = (counts[method] ?? 0) + Number(value);
      }
    }
  }
  return counts;
}

const INPUTS = ['event_registry', 'dataset', 'validation_report', 'snapshot'];
const polls = (counts) => Object.entries(counts)
    .filter(([method]) => method.endsWith('ListChanges')).reduce((sum, [, n]) => sum + n, 0);
const growth = (before, now) => Object.fromEntries(Object.entries(now)
    .filter(([method]) => !method.endsWith('ListChanges'))
    .map(([method, n]) => [method, n - (before[method] ?? 0)]).filter(([, n]) => n > 0));

chapter('watchers cost nothing while nothing happens, and see what happens', async () => {
  const event = await createEvent(command, 'sam', 'watched',
      eventOf('Watched', w.category.name, w.group, [district.id]), w.group);
  const {name} = await certificationOf('ann', event.name, district.id);
  await reviewStep('ann', name, 1);

  const shown = Array(WATCHERS).fill(0);
  const watchers = shown.map((_, i) => stream('ann', 'workflow.WatchCertification', {name}, {
    seconds: 120, onMessage: () => { ++shown[i]; },
    enough: (message) => message.steps[0].state === 'STALE'}));
  await waitFor('every watcher to have the certification', () => shown.every((n) => n > 0));

  // Quiet: nothing but the reading of feeds between two looks.
  let before;
  let later = await callsOf(...INPUTS);
  await waitFor('quiet', async () => {
    before = later;
    later = await callsOf(...INPUTS);
    return Object.keys(growth(before, later)).length === 0 && polls(later) > polls(before);
  });
  // The feeds are read many times more; that is all.
  const first = await callsOf(...INPUTS);
  const shownBefore = [...shown];
  await waitFor('the feeds to be read for a while', async () => {
    later = await callsOf(...INPUTS);
    return polls(later) >= polls(first) + 2 * WATCHERS;
  });
  for (const [method, n] of Object.entries(growth(first, later))) {
    assert.ok(n < WATCHERS / 2, `${n} calls of ${method} for ${WATCHERS} idle watchers`);
  }
  assert.deepEqual(shown, shownBefore, 'nothing changed, so nothing is shown');

  const rows = district.rows.enrollment.map((row, i) =>
    (i === 1 ? {...row, middle_name: `Changed ${newId().slice(0, 8)}`} : row));
  await push('ann', district.id, 'enrollment', csvOf(rows));
  const seen = await Promise.all(watchers);
  for (const updates of seen) {
    assert.deepEqual([updates.at(-1).name, updates.at(-1).steps[0].data_changed], [name, true]);
  }
});
