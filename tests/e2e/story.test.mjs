// The whole story of one event, from its creation to its second recertification, as people live it,
// by an independent client, on two replicas of every service. After each move of the
// certification everybody's status, everybody's messages, the history and the audit are compared
// with what they must be; every command is sent twice and once more with other content.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, test} from 'node:test';
import {call, closeAll, list, newId, Refusal, stream, upload} from './lib/client.mjs';
import {feedsAreRead, generate, quote, SCHEMAS, sql, waitFor} from './lib/cluster.mjs';
import {SERVICES} from './lib/protos.mjs';
import {
  APPROVER_TOOLS, certificationOf, createCategory, createEvent, createOrganization, createRules,
  createUser, csvOf, DATASETS, day, differences, download, ensureState, eventOf, LOCAL_TOOLS,
  pushParts, readDistrict, STATE_TOOLS, versions, watchReport} from './lib/world.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edcert-e2e-'));
after(() => {
  closeAll();
  fs.rmSync(folder, {recursive: true});
});

const options = ['--seed', '7', '--students', '200', '--schools', '3'];
generate(path.join(folder, 'planted'), ...options);
generate(path.join(folder, 'clean'), ...options, '--clean');
generate(path.join(folder, 'other'), '--seed', '8', '--students', '20', '--schools', '1', '--clean');
const planted = readDistrict(path.join(folder, 'planted'));
const clean = readDistrict(path.join(folder, 'clean'));
const other = readDistrict(path.join(folder, 'other'));
const lateSchool = planted.schools.at(-1);  // The state does not know it at first.

// --- Commands: each is accepted once, however often it is sent ----------------------------------

const accepted = [];  // {schema, request_id, key}

// Another content for the same request: a text that is no enum, changed.
function altered(request) {
  const copy = structuredClone(request);
  const change = (value) => {
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'request_id' || name === 'batch_id') continue;
      if (typeof inner === 'string' && !/^[A-Z_]+$/.test(inner)) {
        value[name] = `${inner}0`;
        return true;
      }
      if (inner && typeof inner === 'object' && change(inner)) return true;
    }
    return false;
  };
  assert.ok(change(copy), 'a request with a text');
  return copy;
}

async function refused(code, reason, promise, metadata = {}) {
  const error = await promise.then(() => undefined, (thrown) => thrown);
  assert.ok(error instanceof Refusal, `refused with ${reason}, but got ${error ?? 'an answer'}`);
  assert.deepEqual([error.code, error.reason, error.domain], [code, reason, 'edcert'], error.message);
  for (const [name, value] of Object.entries(metadata)) {
    assert.equal(error.metadata[name], value, `${error.message} ${JSON.stringify(error.metadata)}`);
  }
}

async function send(user, key, content) {
  const request = {request_id: newId(), ...content};
  const answer = await call(user, key, request);
  assert.deepEqual(await call(user, key, request), answer, `${key} sent again`);
  await refused('INVALID_ARGUMENT', 'REQUEST_ID_REUSED', call(user, key, altered(request)));
  accepted.push({schema: SCHEMAS[SERVICES[key.split('.')[0]][0]], request_id: request.request_id, key});
  return answer;
}

async function push(district, dataset, rows) {
  const ids = {request_id: newId(), batch_id: newId()};
  const parts = () => pushParts(district, dataset, csvOf(rows), ids);
  const answer = await upload('sis', 'dataset.PushRecords', parts());
  assert.deepEqual(await upload('sis', 'dataset.PushRecords', parts()), answer, 'pushed again');
  await refused('INVALID_ARGUMENT', 'REQUEST_ID_REUSED', upload('sis', 'dataset.PushRecords',
      pushParts(district, dataset, csvOf(rows.slice(1)), ids)));
  accepted.push({schema: 'dataset', request_id: ids.request_id, key: 'dataset.PushRecords'});
  return answer;
}

async function acceptedOnce() {
  for (const schema of new Set(accepted.map((row) => row.schema))) {
    const rows = accepted.filter((row) => row.schema === schema);
    const ids = rows.map(({request_id}) => `${quote(request_id)}::uuid`).join(', ');
    for (const table of ['audit', 'idempotency']) {
      const found = await sql(`SELECT request_id, count(*) FROM ${schema}.${table}
        WHERE request_id IN (${ids}) GROUP BY 1`);
      const counts = new Map(found);
      for (const {request_id, key} of rows) {
        assert.equal(counts.get(request_id), '1', `one row in ${schema}.${table} for ${key}`);
      }
    }
  }
}

// --- What must be true after every move ---------------------------------------------------------

const people = {
  ava: 'state', stan: 'state', ann: planted.id, carl: planted.id, rita: planted.id,
  dora: other.id, dan: other.id, rick: other.id};
const members = Object.keys(people);
const localTo = (organization) => members.filter((user) => people[user] === organization);

const messages = Object.fromEntries(members.map((user) => [user, {}]));
function told(users, cause) {
  for (const user of users) messages[user][cause] = (messages[user][cause] ?? 0) + 1;
}

const moves = [];  // what ListTransitions must show
let certification = '';
let otherCertification = '';
let status = 'IN_PROGRESS';
let round = 0;

const STATUS_LABELS = {
  IN_PROGRESS: 'In Progress', SENT: 'Certification Sent to State',
  APPROVED: 'Certification Approved by State', RECERT_REQUESTED: 'Recertification Request Sent',
  RECERT_IN_PROGRESS: 'Recertification In Progress'};
const USER_LABELS = {
  USER_STATUS_NA: 'N/A', USER_STATUS_INCOMPLETE: 'Certification Incomplete',
  USER_STATUS_OVERDUE: 'Incomplete - Overdue',
  USER_STATUS_CERTIFICATION_COMPLETE: 'Certification Complete',
  USER_STATUS_RECERT_REQUEST_PENDING: 'Recertification Request Pending',
  USER_STATUS_COMPLETE: 'Complete'};

const get = (user, name = certification) => call(user, 'workflow.GetCertification', {name});
const step = async (user, number) => (await get(user)).steps[number - 1];

async function statuses(expected, event = 'events/attendance-2026') {
  for (const user of ['ann', 'carl', 'rita', 'ava', 'stan']) {
    const seen = await get(user);
    const userStatus = `USER_STATUS_${expected[user] ?? 'NA'}`;
    assert.deepEqual([user, seen.user_status, seen.user_status_label, seen.status, seen.round],
        [user, userStatus, USER_LABELS[userStatus], status, round]);
    if (people[user] !== 'state') assert.equal(seen.status_label, STATUS_LABELS[status]);
    if (people[user] === 'state' && status === 'SENT') assert.equal(seen.status_label, 'Certified');
  }
  // The list says the same, and the other district is as it was.
  for (const user of members) {
    const listed = await list(user, 'workflow.ListCertifications', {event}, 'certifications');
    const wanted = {};
    if (people[user] !== other.id) wanted[certification] = `USER_STATUS_${expected[user] ?? 'NA'}`;
    if (people[user] !== planted.id) {
      wanted[otherCertification] =
        `USER_STATUS_${['dora', 'dan'].includes(user) ? 'INCOMPLETE' : 'NA'}`;
    }
    assert.deepEqual(Object.fromEntries(listed.map((row) => [row.name, row.user_status])), wanted,
        `the list of ${user}`);
  }
  await refused('NOT_FOUND', 'NOT_FOUND', get('dora'));
}

async function messageCenters() {
  await feedsAreRead();
  for (const user of members) {
    const found = await list(user, 'notification.ListMessages',
        {parent: `users/${user}`, show_dismissed: true}, 'messages');
    const counts = {};
    for (const {cause} of found) {
      const short = cause.replace('CAUSE_', '');
      counts[short] = (counts[short] ?? 0) + 1;
    }
    assert.deepEqual(counts, messages[user], `the messages of ${user}`);
  }
}

async function history() {
  const seen = await list('ann', 'workflow.ListTransitions', {certification}, 'transitions');
  assert.deepEqual(seen.map((move) => [Number(move.seq), move.from, move.action, move.to, move.actor,
    move.round]),
  moves.map(([from, action, to, actor, ofRound], i) => [i + 1, from, action, to, actor, ofRound]));
  const audited = await list('sam', 'workflow.ListAuditRecords', {subject: certification},
      'audit_records');
  const ofPeople = audited.filter(({actor}) => actor.startsWith('users/'))
      .map(({request_id}) => request_id).sort();
  const sent = accepted.filter(({schema}) => schema === 'workflow')
      .map(({request_id}) => request_id).sort();
  assert.deepEqual(ofPeople, sent, 'one audit record for each accepted command');
  for (const move of seen.slice(1)) {
    assert.ok(sent.includes(move.request_id), `the request of move ${move.seq}`);
  }
}

async function moved(expected, move) {
  if (move) {
    const [action, to, actor] = move;
    moves.push([status, action, to, `users/${actor}`, round]);
    status = to;
  }
  await statuses(expected);
  await messageCenters();
  await history();
  await acceptedOnce();
}

// --- The people's steps -------------------------------------------------------------------------

async function report(user, number, format = 'REPORT_FORMAT_HTML') {
  const answer = await send(user, 'workflow.GenerateStepReport',
      {certification, step: number, format});
  const seen = await watchReport(user, answer.report.name);
  return {name: answer.report.name, accepted: answer, ...seen};
}

async function reportAndView(user, number, format) {
  const made = await report(user, number, format);
  await download(user, made.name);
  return made;
}

async function viewAll(user) {
  for (const {report: name} of (await get(user)).steps) await download(user, name);
}

async function takeSnapshot(user, verb = 'TakeSnapshot') {
  const {etag} = await get(user);
  await send(user, `workflow.${verb}`, {certification, etag, format: 'REPORT_FORMAT_HTML'});
  const {candidate_snapshot: name} = await get(user);
  const snapshot = (await stream(user, 'snapshot.WatchSnapshot', {name})).at(-1);
  assert.equal(snapshot.state, 'SEALED');
  assert.match(snapshot.root, /^[0-9a-f]{64}$/);
  // The report begins once the snapshot is sealed.
  const third = await waitFor('the report of the snapshot', async () => {
    const found = await step(user, 3);
    return found.report && found;
  });
  await watchReport(user, third.report);
  return {snapshot, report: third.report};
}

async function submission(user) {
  const seen = await get(user);
  return {certification, etag: seen.etag, acknowledged_warnings: true,
    snapshot: seen.candidate_snapshot || `snapshots/${newId()}`,
    attestation_text_version: seen.attestation_text_version};
}

const submit = async (user) => send(user, 'workflow.SubmitCertification', await submission(user));
const trySubmit = async (user) =>
  call(user, 'workflow.SubmitCertification', {request_id: newId(), ...await submission(user)});

// All three steps and both signatures; `before` is the status of the round, until it is sent.
async function wholeRound() {
  const before = status;
  for (const number of [1, 2]) await reportAndView('ann', number);
  const {report: third} = await takeSnapshot('ann');
  await download('ann', third);
  await submit('ann');
  told(['carl'], 'CO_CERTIFIER_SIGNED');
  await moved({ann: 'CERTIFICATION_COMPLETE', carl: 'INCOMPLETE'}, ['SUBMIT', before, 'ann']);
  await viewAll('carl');
  await submit('carl');
  told(['ava', 'stan'], 'CERTIFICATION_SENT');
  told(['ann', 'carl', 'rita'], 'SENT_TO_STATE');
  await moved({ann: 'CERTIFICATION_COMPLETE', carl: 'CERTIFICATION_COMPLETE'},
      ['SUBMIT', 'SENT', 'carl']);
}

async function approve() {
  const seen = await get('ava');
  await send('ava', 'workflow.ApproveCertification',
      {certification, etag: seen.etag, snapshot: seen.certified_snapshot});
  told(['ann', 'carl', 'rita'], 'CERTIFICATION_APPROVED');
  await moved({ann: 'COMPLETE', carl: 'COMPLETE'}, ['APPROVE', 'APPROVED', 'ava']);
}

async function returnIt(reason) {
  const {etag} = await get('ava');
  await send('ava', 'workflow.ReturnForRecertification',
      {certification, etag, reason, due: day(7)});
  told(['ann', 'carl', 'rita'], 'RECERTIFICATION_STARTED');
  ++round;
  await moved({ann: 'INCOMPLETE', carl: 'INCOMPLETE'}, ['RETURN', 'RECERT_IN_PROGRESS', 'ava']);
  assert.equal((await get('ann')).return_reason, reason);
}

// --- The chapters -------------------------------------------------------------------------------

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

let event;
let group;

chapter('the state prepares and publishes an event', async () => {
  await ensureState(send);
  for (const {id, kind, name, parent} of [...planted.organizations, ...other.organizations]) {
    if (id !== lateSchool.id) await createOrganization(send, id, kind, name, parent);
  }
  await createUser(send, 'sam', 'Sam', 'state', STATE_TOOLS);
  await createUser(send, 'sis', 'The student information system', planted.id, LOCAL_TOOLS);
  for (const [user, organization] of Object.entries(people)) {
    await createUser(send, user, user, organization,
        organization === 'state' ? APPROVER_TOOLS : LOCAL_TOOLS);
  }
  const category = await createCategory(send, 'sam', 'attendance', 'Attendance', [
    ['ava', 'APPROVER', 'state'], ['stan', 'STATE_REVIEWER', 'state'],
    ['ann', 'CERTIFIER', planted.id], ['carl', 'CERTIFIER', planted.id],
    ['rita', 'REVIEWER', planted.id], ['dora', 'CERTIFIER', other.id],
    ['dan', 'CERTIFIER', other.id], ['rick', 'REVIEWER', other.id]]);
  assert.equal(category.state, 'PUBLISHED');

  const made = await createRules(send, 'sam', 'attendance');
  group = made.group;
  assert.deepEqual([group.state, group.version, group.rules.length], ['ACTIVE', 1, made.rules.length]);

  const draft = eventOf('End-of-year attendance 2026', category.name, group, [planted.id, other.id]);
  event = await createEvent(send, 'sam', 'attendance-2026', draft, group);
  assert.deepEqual([event.status, event.phase, event.live_version, event.rule_group_version],
      ['STATUS_PUBLISHED', 'PHASE_CERTIFYING', 1, 1]);
});

chapter('every member has one message and the right status', async () => {
  const opened = await certificationOf('ann', event.name, planted.id);
  certification = opened.name;
  otherCertification = (await certificationOf('dora', event.name, other.id)).name;
  moves.push(['STATUS_UNSPECIFIED', 'OPEN', 'IN_PROGRESS', 'services/workflow', 0]);
  told(members, 'EVENT_PUBLISHED');
  await moved({ann: 'INCOMPLETE', carl: 'INCOMPLETE'});
  const [message] = await list('rita', 'notification.ListMessages', {parent: 'users/rita'},
      'messages');
  assert.deepEqual([message.process, message.event], ['Data Certification', event.name]);
  assert.ok(message.title.includes(event.title));
  assert.deepEqual(opened.required_certifiers.toSorted(), ['users/ann', 'users/carl']);
});

chapter('the district pushes its records and the state copy syncs', async () => {
  await feedsAreRead();  // The state takes records of schools that it knows.
  for (const dataset of DATASETS) {
    const rows = planted.rows[dataset];
    const answer = await push(planted.id, dataset, rows);
    assert.deepEqual([answer.received, answer.inserted, answer.rejected, answer.version],
        [rows.length, rows.length, 0, 1], dataset);
  }
  await waitFor('the sync of all but the unknown school', async () => {
    const found = await versions('sis', planted.id, 'COPY_STATE');
    return DATASETS.every((name) => found[name].row_count ===
        planted.rows[name].filter((row) => row.school_id !== lateSchool.id).length);
  });
});

chapter('step 1 finds what was planted and FATAL findings block', async () => {
  await refused('FAILED_PRECONDITION', 'STEP_NOT_COMPLETED', trySubmit('ann'), {step: '1'});
  await send('ann', 'workflow.StartCertification', {certification});
  assert.equal((await step('ann', 1)).state, 'NOT_STARTED');
  await refused('FAILED_PRECONDITION', 'STEP_NOT_COMPLETED', call('ann',
      'workflow.GenerateStepReport', {request_id: newId(), certification, step: 2,
        format: 'REPORT_FORMAT_HTML'}), {step: '1'});

  const {name, report: made} = await report('ann', 1);
  const found = await list('ann', 'validation.ListFindings', {report: name}, 'findings');
  const keys = {};
  for (const {rule_code, record_key} of found) (keys[rule_code] ??= []).push(record_key);
  const truth = Object.fromEntries(Object.entries(planted.truth.rules)
      .filter(([, records]) => records.length > 0));
  const sorted = (rules) => Object.fromEntries(Object.entries(rules).toSorted()
      .map(([code, records]) => [code, [...new Set(records)].toSorted()]));
  assert.deepEqual(sorted(keys), sorted(truth), 'what the generator planted, record by record');
  assert.equal(made.counts.reduce((sum, count) => sum + Number(count.records), 0), found.length);
  assert.equal(made.attempt, 1);
  assert.equal((await step('ann', 1)).state, 'FATAL_FOUND');

  // Also after she has viewed it.
  const {header, content} = await download('ann', name);
  assert.equal(Number(header.size), content.length);
  assert.match(content.toString(), /<html/i);
  const seen = await get('ann');
  assert.equal(seen.steps[0].state, 'FATAL_FOUND');
  assert.equal(seen.steps[1].blocked_reason, 'FATAL_FINDINGS_OPEN');
  await refused('FAILED_PRECONDITION', 'FATAL_FINDINGS_OPEN', call('ann',
      'workflow.GenerateStepReport', {request_id: newId(), certification, step: 2,
        format: 'REPORT_FORMAT_HTML'}));
  await moved({ann: 'INCOMPLETE', carl: 'INCOMPLETE'});
});

chapter('the district corrects its records and step 1 is completed', async () => {
  for (const dataset of DATASETS) {
    const answer = await push(planted.id, dataset, clean.rows[dataset]);
    assert.deepEqual([answer.received, answer.rejected, answer.version],
        [clean.rows[dataset].length, 0, 2], dataset);
  }
  assert.equal((await step('ann', 1)).state, 'STALE');
  const {name, report: made} = await report('ann', 1, 'REPORT_FORMAT_CSV');
  assert.equal(made.counts.reduce((sum, count) => sum + Number(count.records), 0), 0);
  assert.equal((await step('ann', 1)).state, 'READY_TO_VIEW');
  const {header, content} = await download('ann', name);
  assert.match(header.media_type, /^text\/csv/);
  assert.match(content.toString(), /^[^\r\n]+\r\n/);
  assert.equal((await step('ann', 1)).state, 'COMPLETED');
  assert.equal((await step('carl', 1)).state, 'READY_TO_VIEW', 'viewing is for each person');
});

chapter('step 2 is watched from QUEUED to COMPLETED and must be viewed', async () => {
  await waitFor('the corrections to reach the state', async () => {
    const found = await differences('ann', planted.id);
    return DATASETS.every((name) =>
      found[name].every((record) => record.school === `organizations/${lateSchool.id}`) &&
      found[name].length === clean.rows[name].filter((row) => row.school_id === lateSchool.id).length);
  });
  await refused('FAILED_PRECONDITION', 'STEP_NOT_COMPLETED', trySubmit('ann'), {step: '2'});
  const made = await report('ann', 2);
  assert.equal(made.accepted.report.state, 'QUEUED');
  assert.equal(made.accepted.certification.steps[1].state, 'QUEUED');
  const order = ['QUEUED', 'RUNNING', 'COMPLETED'];
  const ranks = made.states.map(({state}) => order.indexOf(state));
  assert.deepEqual(ranks, ranks.toSorted(), 'states only go forward');
  assert.equal((await step('ann', 2)).state, 'READY_TO_VIEW');
  const {etag} = await get('ann');
  await refused('FAILED_PRECONDITION', 'REPORT_NOT_VIEWED', call('ann', 'workflow.TakeSnapshot',
      {request_id: newId(), certification, etag, format: 'REPORT_FORMAT_HTML'}));
  await download('ann', made.name);
  assert.equal((await step('ann', 2)).state, 'COMPLETED');
});

chapter('records missing at the state are found by comparing and repaired by a resync', async () => {
  const before = await differences('ann', planted.id);
  assert.ok(before.enrollment.length > 0);
  assert.ok(before.enrollment.every(({kind}) => kind === 'KIND_ONLY_DISTRICT'));
  const issues = await list('ann', 'dataset.ListSyncIssues',
      {district: planted.organization, open_only: true}, 'issues');
  assert.equal(issues.filter(({dataset}) => dataset === 'datasets/enrollment').length,
      before.enrollment.length, 'an open issue for each missing record');
  await createOrganization(send, lateSchool.id, lateSchool.kind, lateSchool.name, lateSchool.parent);
  await waitFor('both copies to be equal after a resync', async () => {
    const {name} = await send('ann', 'dataset.Resync', {district: planted.organization,
      datasets: DATASETS.map((dataset) => `datasets/${dataset}`)});
    const last = (await stream('ann', 'dataset.WatchResync', {name})).at(-1).resync;
    assert.equal(last.state, 'COMPLETED');
    const found = await differences('ann', planted.id);
    return DATASETS.every((dataset) => found[dataset].length === 0);
  });
  const left = await list('ann', 'dataset.ListSyncIssues',
      {district: planted.organization, open_only: true}, 'issues');
  assert.deepEqual(left, []);
  assert.equal((await step('ann', 2)).state, 'STALE');
  await reportAndView('ann', 2);
  assert.equal((await step('ann', 2)).state, 'COMPLETED');
});

chapter('step 3: a snapshot is taken, goes out of date and is retaken', async () => {
  await refused('FAILED_PRECONDITION', 'STEP_NOT_COMPLETED', trySubmit('ann'), {step: '3'});
  const first = await takeSnapshot('ann');
  assert.equal(first.snapshot.generation, 1);
  assert.equal(first.snapshot.origin, 'SNAPSHOT_ORIGIN_DISTRICT_TAKEN');
  for (const {dataset, rows} of first.snapshot.data_versions) {
    assert.equal(rows, clean.rows[dataset.split('/')[1]].length, dataset);
  }
  await refused('FAILED_PRECONDITION', 'REPORT_NOT_VIEWED', trySubmit('ann'), {step: '3'});
  await download('ann', first.report);
  assert.deepEqual((await get('ann')).steps.map(({state}) => state), Array(3).fill('COMPLETED'));

  const before = await versions('sis', planted.id, 'COPY_STATE');
  const corrected = clean.rows.enrollment.map((row, i) =>
    (i === 0 ? {...row, middle_name: 'Corrected'} : row));
  const answer = await push(planted.id, 'enrollment', corrected);
  assert.deepEqual([answer.updated, answer.inserted, answer.deleted], [1, 0, 0]);
  await waitFor('the correction to reach the state', async () =>
    (await versions('sis', planted.id, 'COPY_STATE')).enrollment.version > before.enrollment.version);
  const third = await step('ann', 3);
  assert.ok(third.data_changed, 'the wizard says that the data changed');
  assert.match(third.data_change_text, /1/);
  for (const number of [1, 2]) assert.equal((await step('ann', number)).state, 'STALE');

  // A snapshot is refused before the steps are done again.
  const {etag} = await get('ann');
  await refused('FAILED_PRECONDITION', 'STEP_STALE', call('ann', 'workflow.RetakeSnapshot',
      {request_id: newId(), certification, etag, format: 'REPORT_FORMAT_HTML'}), {step: '1'});
  for (const number of [1, 2]) await reportAndView('ann', number);
  const second = await takeSnapshot('ann', 'RetakeSnapshot');
  assert.deepEqual([second.snapshot.generation, second.snapshot.previous],
      [2, first.snapshot.name]);
  assert.equal((await call('ann', 'snapshot.GetSnapshot', {name: first.snapshot.name})).state,
      'SUPERSEDED');
  await download('ann', second.report);
  const seen = await get('ann');
  assert.deepEqual(seen.steps.map(({state}) => state), Array(3).fill('COMPLETED'));
  assert.equal(seen.steps[2].data_changed, false);
  const difference = await call('ann', 'snapshot.DiffSnapshots',
      {base: first.snapshot.name, other: second.snapshot.name});
  assert.deepEqual(difference.records.map(({kind, columns}) => [kind, columns.map((c) => c.column)]),
      [['CHANGED', ['middle_name']]]);
  await moved({ann: 'INCOMPLETE', carl: 'INCOMPLETE'});
});

chapter('the reviewer looks and is refused; the certifiers sign', async () => {
  await viewAll('rita');
  await refused('PERMISSION_DENIED', 'NOT_PERMITTED', trySubmit('rita'));
  await refused('FAILED_PRECONDITION', 'REPORT_NOT_VIEWED', trySubmit('carl'));
  await submit('ann');
  told(['carl'], 'CO_CERTIFIER_SIGNED');
  await moved({ann: 'CERTIFICATION_COMPLETE', carl: 'INCOMPLETE'},
      ['SUBMIT', 'IN_PROGRESS', 'ann']);
  await refused('FAILED_PRECONDITION', 'ALREADY_SIGNED', trySubmit('ann'));
  await viewAll('carl');
  await submit('carl');
  told(['ava', 'stan'], 'CERTIFICATION_SENT');
  told(['ann', 'carl', 'rita'], 'SENT_TO_STATE');
  await moved({ann: 'CERTIFICATION_COMPLETE', carl: 'CERTIFICATION_COMPLETE'},
      ['SUBMIT', 'SENT', 'carl']);
  const seen = await get('ava');
  assert.equal(seen.certified_snapshot, seen.candidate_snapshot || seen.certified_snapshot);
  assert.equal(new Set(seen.signatures.map(({snapshot}) => snapshot)).size, 1);
  await refused('FAILED_PRECONDITION', 'TRANSITION_NOT_ALLOWED', trySubmit('ann'), {from: 'SENT'});
});

chapter('the state returns it; round 1; the state approves', async () => {
  const before = (await get('ava')).certified_snapshot;
  await returnIt('Please check the totals of the high school.');
  const seen = await get('ann');
  assert.equal(seen.certified_snapshot, before, 'stays the certified one until replaced');
  assert.ok(seen.signatures.every(({voided_at}) => voided_at), 'the signatures are voided and kept');
  assert.equal(seen.signatures.length, 2);
  await wholeRound();
  await approve();
  assert.equal((await get('ann')).approved_by, 'users/ava');
});

chapter('a certifier asks for recertification; the state accepts; round 2; approved', async () => {
  const {etag} = await get('carl');
  const reason = 'Two students were reported under the wrong school.';
  await refused('PERMISSION_DENIED', 'NOT_PERMITTED', call('rita', 'workflow.RequestRecertification',
      {request_id: newId(), certification, etag, reason}));
  await send('carl', 'workflow.RequestRecertification', {certification, etag, reason});
  told(['ava', 'stan'], 'RECERTIFICATION_REQUESTED');
  await moved({ann: 'CERTIFICATION_COMPLETE', carl: 'RECERT_REQUEST_PENDING'},
      ['REQUEST_RECERTIFICATION', 'RECERT_REQUESTED', 'carl']);
  const seen = await get('ava');
  assert.deepEqual([seen.pending_request.requested_by, seen.pending_request.reason],
      ['users/carl', reason]);
  await returnIt('Granted.');
  await wholeRound();
  await approve();
});

chapter('what is done closes its messages; filters find what is left', async () => {
  for (const user of ['ava', 'stan', 'ann', 'carl', 'rita']) {
    const open = (await list(user, 'notification.ListMessages', {parent: `users/${user}`}, 'messages'))
        .filter(({cause, closed_at}) => !closed_at &&
            !['CAUSE_SENT_TO_STATE', 'CAUSE_CERTIFICATION_APPROVED'].includes(cause))
        .map(({cause}) => cause);
    // The other district has not certified: the state's message of the event stays open.
    assert.deepEqual(open, people[user] === 'state' ? ['CAUSE_EVENT_PUBLISHED'] : [], user);
  }
  const late = eventOf('Head count 2026', event.category, group, [planted.id],
      {due_date: day(-1), datasets: ['datasets/enrollment']});
  await createEvent(send, 'sam', 'headcount-2026', late, group);
  await certificationOf('ann', 'events/headcount-2026', planted.id);
  told([...localTo(planted.id), 'ava', 'stan'], 'EVENT_PUBLISHED');
  await messageCenters();

  const titles = async (user, filter) => (await list(user, 'workflow.ListCertifications', filter,
      'certifications')).map(({event_title}) => event_title);
  const both = [late.title, event.title];
  assert.deepEqual(await titles('ann', {}), both, 'by due date');
  assert.deepEqual(await titles('ann',
      {user_status: ['USER_STATUS_INCOMPLETE', 'USER_STATUS_OVERDUE']}), [late.title]);
  assert.deepEqual(await titles('ann', {user_status: ['USER_STATUS_COMPLETE']}), [event.title]);
  assert.deepEqual(await titles('rita', {user_status: ['USER_STATUS_NA']}), both);
  assert.deepEqual(await titles('ann', {status: ['APPROVED']}), [event.title]);
  assert.deepEqual(await titles('ann', {overdue: true}), [late.title]);
  assert.deepEqual(await titles('ann', {phase: 'EVENT_PHASE_LATE'}), [late.title]);
  assert.deepEqual(await titles('ann', {waiting_on_me: true}), [late.title]);
  assert.deepEqual(await titles('ann', {title_contains: 'HEAD'}), [late.title]);
  assert.deepEqual(await titles('ann', {dataset: 'datasets/attendance_event'}), [event.title]);
  assert.deepEqual(await titles('ann', {due_from: day(0)}), [event.title]);
  assert.deepEqual(await titles('ann', {due_to: day(0)}), [late.title]);
  assert.deepEqual(await titles('ann', {reporting_year: 2025}), []);
  assert.deepEqual(await titles('ann', {organization: other.organization}), []);
  assert.deepEqual(await titles('ann', {order_by: 'CERTIFICATION_ORDER_TITLE'}),
      [event.title, late.title]);
  assert.deepEqual(await titles('dora', {}), [event.title]);
  assert.deepEqual(await titles('ava', {organization: planted.organization}), both);
  const overdue = (await call('ann', 'workflow.ListCertifications', {overdue: true}))
      .certifications[0];
  assert.deepEqual([overdue.user_status_label, overdue.status_label],
      ['Incomplete - Overdue', 'In Progress']);

  const summary = await call('ava', 'workflow.GetEventSummary', {event: event.name});
  assert.deepEqual(summary.counts.filter(({count}) => Number(count) > 0)
      .map(({status: name, count}) => [name, Number(count)]), [['IN_PROGRESS', 1], ['APPROVED', 1]]);
  await acceptedOnce();
});
