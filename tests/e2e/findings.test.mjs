// What becomes of findings between runs, and what people say to them: special warnings are explained
// before anybody signs, and the state waives FATAL findings that are none.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, test} from 'node:test';
import {call, closeAll, list, Refusal} from './lib/client.mjs';
import {cluster, clusterPy, feedsAreRead, generate, sql, sqlNumber, waitFor} from './lib/cluster.mjs';
import {
  activateRule, certificationOf, command, createCategory, createEvent, createOrganization, createUser, csvOf,
  day, download, ensureState, eventOf, getCertification, LOCAL_TOOLS, push, readDistrict,
  reviewStep, sign, STATE_TOOLS, takeSnapshot, watchReport} from './lib/world.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edcert-e2e-'));
after(() => {
  closeAll();
  fs.rmSync(folder, {recursive: true});
});
generate(folder, '--seed', '61', '--students', '40', '--schools', '1', '--clean');
const district = readDistrict(folder);
const clean = district.rows.enrollment;

const sam = 'finding-sam';  // at the state, approver
const ava = 'finding-ava';  // the same
const ann = 'finding-ann';  // certifier
const rita = 'finding-rita';  // reviewer

const HTML = 'REPORT_FORMAT_HTML';
let event;
let certification;

async function refused(reason, promise, metadata = {}) {
  const error = await promise.then(() => undefined, (thrown) => thrown);
  assert.ok(error instanceof Refusal, `refused with ${reason}, but got ${error ?? 'an answer'}`);
  assert.equal(error.reason, reason, error.message);
  for (const [name, value] of Object.entries(metadata)) assert.equal(error.metadata[name], value);
}

// Pushes the records and waits until the state has them.
async function arrive(rows) {
  const {version} = await push(ann, district.id, 'enrollment', csvOf(rows));
  await waitFor('the records to reach the state', async () =>
    (await call(ann, 'dataset.CompareCopies', {district: district.organization,
      dataset: 'datasets/enrollment'})).differences.length === 0);
  return version;
}

async function report(user, step) {
  const {report: made} = await command(user, 'workflow.GenerateStepReport',
      {certification, step, format: HTML});
  return (await watchReport(user, made.name)).report;
}

const of = (made, severity) => made.counts.find((count) => count.severity === severity);
const keysOf = async (made, change) =>
  (await list(rita, 'validation.ListFindings', {report: made.name, change: [change]}, 'findings'))
      .map(({record_key: key}) => key);
const groupsOf = (made, severity) =>
  list(rita, 'validation.ListFindingGroups', {report: made.name, severity}, 'groups');

test('a small world', {timeout: 120_000}, async () => {
  await ensureState();
  for (const {id, kind, name, parent} of district.organizations) {
    await createOrganization(command, id, kind, name, parent);
  }
  for (const user of [sam, ava]) await createUser(command, user, user, 'state', STATE_TOOLS);
  for (const user of [ann, rita]) await createUser(command, user, user, district.id, LOCAL_TOOLS);
  const category = await createCategory(command, sam, 'finding', 'Findings', [
    [sam, 'APPROVER', 'state'], [ava, 'APPROVER', 'state'], [ann, 'CERTIFIER', district.id],
    [rita, 'REVIEWER', district.id]]);
  const rules = [];
  for (const [code, severity, column] of [
    ['FINDING-1', 'SEVERITY_FATAL', 'first_name'],
    ['FINDING-2', 'SEVERITY_SPECIAL_WARNING', 'middle_name']]) {
    const rule = await command(sam, 'validation.CreateRule', {rule: {
      code, title: code, meaning: 'Nobody is called so.', severity,
      datasets: ['datasets/enrollment'], fields: ['student_uid', column],
      message: '{student_uid} is called so.', row: {expression: `${column} = 'Zzz'`},
      fixtures: [{rows: [{values: {[column]: 'Zzz'}, must_fire: true}]}]}});
    rules.push(await activateRule(command, sam, rule));
  }
  const draft = await command(sam, 'validation.CreateRuleGroup', {rule_group: {
    title: 'Findings', level: 'LEVEL_DISTRICT', rules: rules.map(({name}) => ({rule: name}))}});
  const group = await command(sam, 'validation.ActivateRuleGroup',
      {name: draft.name, etag: draft.etag});
  event = await createEvent(command, sam, 'finding-fall', eventOf('Findings', category.name, group,
      [district.id], {datasets: ['datasets/enrollment']}), group);
  certification = (await certificationOf(ann, event.name, district.id)).name;
});

// Records with some names, by place.
const named = (names) => clean.map((row, i) => ({...row, ...names[i]}));
const FATAL = {first_name: 'Zzz'};
const SPECIAL = {middle_name: 'Zzz'};

test('a run says what is new, what is corrected and what is back', {timeout: 120_000}, async () => {
  await arrive(named({0: FATAL, 1: FATAL}));
  const first = await report(ann, 1);
  assert.equal(first.previous_report, '');
  assert.deepEqual([of(first, 'SEVERITY_FATAL').records, of(first, 'SEVERITY_FATAL').records_new],
      [2, 2]);
  await arrive(named({1: FATAL, 2: FATAL}));
  const second = await report(ann, 1);
  assert.equal(second.previous_report, first.name);
  await arrive(named({0: FATAL, 1: FATAL}));
  const third = await report(rita, 1);
  const {records_new: fresh, records_open: open, records_regressed: back, records_fixed: fixed} =
    of(third, 'SEVERITY_FATAL');
  assert.deepEqual([fresh, open, back, fixed], [0, 1, 1, 1]);
  const [before, now] = await Promise.all([keysOf(second, 'FINDING_CHANGE_FIXED'),
    keysOf(third, 'FINDING_CHANGE_REGRESSED')]);
  assert.deepEqual(now, before, 'what was corrected is back');
  assert.deepEqual(await keysOf(third, 'FINDING_CHANGE_FIXED'),
      await keysOf(second, 'FINDING_CHANGE_NEW'));
  const [group] = await groupsOf(third, 'SEVERITY_FATAL');
  assert.deepEqual([group.size, group.size_new, group.size_regressed, group.cause],
      [2, 0, 1, {first_name: 'Zzz'}]);
});

test('the state waives FATAL findings, by two people', {timeout: 120_000}, async () => {
  const {report: name} = (await getCertification(ann, certification)).steps[0];
  const [group] = await groupsOf({name}, 'SEVERITY_FATAL');
  await download(ann, name);
  await refused('FATAL_FINDINGS_OPEN',
      command(ann, 'workflow.GenerateStepReport', {certification, step: 2, format: HTML}));
  const waive = (user) => command(user, 'validation.WaiveFinding', {report: name,
    group: group.group, until_date: day(7), reason: 'They are called so.'});
  assert.equal((await waive(sam)).state, 'AWAITING_SECOND_PERSON');
  await refused('SECOND_PERSON_REQUIRED', waive(sam));
  await refused('FATAL_FINDINGS_OPEN',
      command(ann, 'workflow.GenerateStepReport', {certification, step: 2, format: HTML}));
  const waiver = await waive(ava);
  assert.deepEqual([waiver.state, waiver.asked_by, waiver.confirmed_by],
      ['IN_FORCE', `users/${sam}`, `users/${ava}`]);
  const step = (await getCertification(ann, certification)).steps[0];
  assert.equal(step.state, 'COMPLETED');
  assert.equal(of(step, 'SEVERITY_FATAL').records_waived, 2);
  await command(ava, 'validation.RevokeWaiver', {name: waiver.name, reason: 'A mistake.'});
  assert.equal((await getCertification(ann, certification)).steps[0].state, 'FATAL_FOUND');
  await waive(ava);
  await waive(sam);
  const waivers = await list(rita, 'validation.ListWaivers',
      {event: event.name, organization: district.organization}, 'waivers');
  assert.deepEqual(waivers.map(({state}) => state), ['IN_FORCE', 'REVOKED']);
});

test('special warnings are explained before anybody signs', {timeout: 120_000}, async () => {
  await arrive(named({0: FATAL, 1: FATAL, 3: SPECIAL, 4: SPECIAL}));
  for (const step of [1, 2]) await reviewStep(ann, certification, step);
  await takeSnapshot(ann, certification);
  const unexplained = async () => (await getCertification(ann, certification)).steps
      .map(({unexplained_rules: rules}) => rules.map((rule) => ({...rule})));
  assert.deepEqual(await unexplained(),
      [[], [], [{rule: 'rules/finding-2', rule_code: 'FINDING-2', findings: 2}]]);
  await refused('EXPLANATION_MISSING', sign(ann, certification), {rules: 'rules/finding-2'});
  const {report: name} = (await getCertification(ann, certification)).steps[2];
  const [group] = await groupsOf({name}, 'SEVERITY_SPECIAL_WARNING');
  assert.deepEqual([group.size, group.unexplained], [2, 2]);
  const explain = (user, text) => command(user, 'validation.ExplainFindings',
      {report: name, group: group.group, text});
  await refused('NOT_PERMITTED', explain(sam, 'I know better.'));
  assert.equal((await explain(rita, 'Their mother says so.')).findings, 2);
  const [explained] = await groupsOf({name}, 'SEVERITY_SPECIAL_WARNING');
  assert.deepEqual([explained.unexplained, explained.explanation.author],
      [0, `users/${rita}`]);
  assert.deepEqual(await unexplained(), [[], [], []]);
  const signed = await sign(ann, certification);
  assert.equal(signed.status, 'SENT');
  assert.deepEqual(signed.signatures.map(({waived_findings: waived}) => waived), [2]);
});

test('what changed is counted when nobody asks', {timeout: 120_000}, async () => {
  const {configs, processes} = cluster().services.validation_report;
  for (const config of configs) fs.appendFileSync(config, 'background_delay_seconds: 1\n');
  for (const name of processes) {
    await clusterPy('kill', name, '--signal', 'TERM');
    await clusterPy('start', name);
  }
  const rule_group = (await call(sam, 'registry.GetEvent', {name: event.name})).rule_group;
  const asked = {organization: district.organization, rule_group, copy: 'COPY_STATE'};
  const reports = () => list(sam, 'validation.ListReports', {event: event.name}, 'reports');
  const before = (await reports()).length;
  for (const names of [{0: FATAL, 1: FATAL, 2: FATAL, 3: SPECIAL}, {5: FATAL}]) {
    await arrive(named(names));
    const counted = await waitFor('the records to be counted', async () => {
      const answer = await call(sam, 'validation.GetOpenFindings', asked);
      return !answer.stale && answer;
    });
    const fatal = Object.values(names).filter((name) => name === FATAL).length;
    assert.deepEqual([of(counted, 'SEVERITY_FATAL').records,
      of(counted, 'SEVERITY_SPECIAL_WARNING').records],
    [fatal, Object.keys(names).length - fatal]);
    assert.deepEqual(counted.rules.map(({rule_code: code, findings}) => [code, findings]),
        [['FINDING-1', fatal], ['FINDING-2', Object.keys(names).length - fatal]]);
  }
  assert.equal((await reports()).length, before, 'no report is made');
  // A certifier asks for those of his event.
  await refused('NOT_PERMITTED', call(ann, 'validation.GetOpenFindings', asked));
  const {rule_group: group, rules} = await call(ann, 'validation.GetOpenFindings',
      {organization: district.organization, event: event.name, copy: 'COPY_STATE'});
  assert.deepEqual([group, rules.map(({findings}) => findings)], [rule_group, [1, 0]]);

  // A group for schools is counted at each of them, as soon as it is in use.
  const draft = await command(sam, 'validation.CreateRuleGroup', {rule_group: {title: 'Of schools',
    level: 'LEVEL_SCHOOL', rules: [{rule: 'rules/finding-1'}, {rule: 'rules/finding-2'}]}});
  await command(sam, 'validation.ActivateRuleGroup', {name: draft.name, etag: draft.etag});
  const {id: school} = district.organizations.find(({kind}) => kind === 'KIND_SCHOOL');
  const ofSchool = await waitFor('the school to be counted', async () => {
    const answer = await call(sam, 'validation.GetOpenFindings',
        {organization: `organizations/${school}`, rule_group: draft.name, copy: 'COPY_STATE'});
    return !answer.stale && answer;
  });
  assert.deepEqual(ofSchool.rules.map(({findings}) => findings), [1, 0]);
});

test('certifiers hear once a day what became FATAL', {timeout: 120_000}, async () => {
  const messages = async (user) => {
    await feedsAreRead();
    return (await list(user, 'notification.ListMessages', {parent: `users/${user}`}, 'messages'))
        .filter(({cause}) => cause === 'CAUSE_NEW_FATAL_FINDINGS');
  };
  const {rule_group} = await call(sam, 'registry.GetEvent', {name: event.name});
  // As if the last comparison had been yesterday; waits for the next.
  const nextDay = async () => {
    const runs = `validation.background_run WHERE copy = 'DISTRICT' AND counted_at IS NOT NULL`;
    await sql(`UPDATE validation.background_run SET told_at = told_at - interval '1 day'
                WHERE copy = 'DISTRICT' AND counted_at IS NOT NULL`);
    await waitFor('the runs to be compared', async () =>
      await sqlNumber(`SELECT count(*) FROM ${runs} AND told_at < now() - interval '1 hour'`) === 0);
  };
  const count = async (names) => {
    await arrive(named(names));
    await waitFor('the records to be counted', async () => !(await call(sam,
        'validation.GetOpenFindings', {organization: district.organization, rule_group,
          copy: 'COPY_DISTRICT'})).stale);
  };
  await count({5: FATAL});
  await nextDay();
  assert.deepEqual(await messages(ann), []);
  await count({5: FATAL, 6: FATAL, 7: FATAL, 8: SPECIAL});
  assert.deepEqual(await messages(ann), [], 'not on the same day');
  await nextDay();
  const [message, ...others] = await messages(ann);
  assert.deepEqual(others, []);
  assert.deepEqual([message.event, message.organization, message.subject],
      [event.name, district.organization, rule_group]);
  assert.match(message.body, /: FINDING-1 2 more, now 3\./);
  for (const user of [rita, sam]) assert.deepEqual(await messages(user), []);
  await nextDay();
  assert.equal((await messages(ann)).length, 1, 'nothing is new');
});
