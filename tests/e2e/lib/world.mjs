// What the tests set up: organisations, people, rules, events, records.
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {call, list, newId, Refusal, stream, upload} from './client.mjs';
import {readCsv, root, waitFor} from './cluster.mjs';

const ALL = ['TOOL_RIGHT_READ', 'TOOL_RIGHT_WRITE', 'TOOL_RIGHT_ADD', 'TOOL_RIGHT_DELETE'];
export const grants = (...tools) => tools.map((tool) => ({tool: `TOOL_${tool}`, rights: ALL}));
export const STATE_TOOLS = grants('ORGANIZATIONS', 'CERTIFICATION_CATEGORY', 'EVENT_MANAGEMENT',
    'EVENT_REPORT', 'VALIDATION_RULES', 'VALIDATION_GROUPS', 'BATCH_RESYNC', 'AUDIT');
export const APPROVER_TOOLS = grants('EVENT_MANAGEMENT', 'EVENT_REPORT');
export const LOCAL_TOOLS = grants('CERTIFICATION_EVENT', 'BATCH_RESYNC');
export const DATASETS = ['enrollment', 'attendance_summary', 'attendance_event'];

// A day from today, as edcert.type.Date, in the time zone of the cluster's state.
export function day(offset) {
  const zone = new Intl.DateTimeFormat('en-CA', {timeZone: 'America/Chicago'});
  const [year, month, dayOfMonth] = zone.format(new Date(Date.now() + offset * 86400e3))
      .split('-').map(Number);
  return {year, month, day: dayOfMonth};
}

// Sends commands. `send` is `call` with the request id filled in, or what a test puts around that.
export const command = (user, key, request) => call(user, key, {request_id: newId(), ...request});

// The state agency is one; whoever comes first creates it.
export async function ensureState(send = command) {
  try {
    await call('admin', 'registry.GetOrganization', {name: 'organizations/state'});
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'NOT_FOUND') throw error;
    await send('admin', 'registry.CreateOrganization', {organization_id: 'state',
      organization: {kind: 'KIND_SEA', display_name: 'State Education Agency'}});
  }
}

export const createOrganization = (send, id, kind, display_name, parent) =>
  send('admin', 'registry.CreateOrganization', {organization_id: id,
    organization: {kind, display_name, parent: `organizations/${parent}`}});

export const createUser = (send, id, display_name, organization, tool_grants) =>
  send('admin', 'registry.CreateUser', {user_id: id, user: {
    display_name, email: `${id}@example.org`, tool_grants,
    assignments: [{organization: `organizations/${organization}`,
      all_schools: organization !== 'state'}]}});

export function addMember(send, manager, category, user, role, organization) {
  const member = {category, user: `users/${user}`, role: `ROLE_${role}`,
    organization: `organizations/${organization}`};
  if (role === 'CERTIFIER') member.rank = 'RANK_PRIMARY';
  return send(manager, 'registry.AddMember', {member});
}

export async function createCategory(send, manager, id, title, members, level = 'LEVEL_DISTRICT') {
  const category = await send(manager, 'registry.CreateCategory',
      {category_id: id, category: {title, level}});
  for (const [user, role, organization] of members) {
    await addMember(send, manager, category.name, user, role, organization);
  }
  return send(manager, 'registry.PublishCategory', {name: category.name, etag: category.etag});
}

// Two people activate a rule: who asks, and the administrator, who has every right.
export async function activateRule(send, user, {name, etag}) {
  const asked = await send(user, 'validation.ActivateRule', {name, etag});
  return send('admin', 'validation.ActivateRule', {name, etag: asked.etag});
}

// The rules whose findings the generator knows; others find more than what it planted.
const RESTATED = execFileSync('python3', ['-B', '-c',
  'import sys; sys.path.insert(0, "tools/generate"); import oracle; print(*oracle.CODES)'],
{cwd: root, encoding: 'utf8'}).trim().split(' ');

// The rules of the tree that read only these datasets, active in one group.
export async function createRules(send, manager, id, datasets = DATASETS, prefix = '') {
  const known = new Set(datasets.map((name) => `datasets/${name}`));
  const rules = [];
  for (const file of fs.readdirSync(path.join(root, 'rules')).filter((f) => f.endsWith('.json'))) {
    for (const rule of JSON.parse(fs.readFileSync(path.join(root, 'rules', file), 'utf8'))) {
      if (!RESTATED.includes(rule.code)) continue;
      if (!rule.datasets.every((name) => known.has(name))) continue;
      const code = `${prefix}${rule.code}`;
      const created = await send(manager, 'validation.CreateRule',
          {rule_id: code.toLowerCase(), rule: {...rule, code}});
      rules.push(await activateRule(send, manager, created));
    }
  }
  const group = await send(manager, 'validation.CreateRuleGroup', {rule_group_id: id, rule_group: {
    title: `Rules ${id}`, level: 'LEVEL_DISTRICT', rules: rules.map(({name}) => ({rule: name}))}});
  return {rules, group: await send(manager, 'validation.ActivateRuleGroup',
      {name: group.name, etag: group.etag})};
}

export const eventOf = (title, category, group, participants, changes = {}) => ({
  title, description: 'Certify before funding is computed.', reporting_year: 2026,
  category, level: 'LEVEL_DISTRICT', datasets: DATASETS.map((name) => `datasets/${name}`),
  rule_group: group.name, start_date: day(-20), certification_opens: day(-10), due_date: day(30),
  end_date: day(30), participants: participants.map((id) => `organizations/${id}`),
  attestation_text: 'I certify that these records are complete and correct.', ...changes});

export async function createEvent(send, manager, id, event, group) {
  const created = await send(manager, 'registry.CreateEvent', {event_id: id, event});
  return send(manager, 'registry.PublishEvent',
      {name: created.name, etag: created.etag, rule_group_version: group.version});
}

// The district of a folder that tools/generate/generate.py made.
export function readDistrict(folder) {
  const kinds = {LocalEducationAgency: 'KIND_DISTRICT', School: 'KIND_SCHOOL',
    EducationServiceCenter: 'KIND_SERVICE_AGENCY'};
  const organizations = readCsv(path.join(folder, 'organization.csv')).map((row) => ({
    id: row.organization_id, kind: kinds[row.kind], name: row.name,
    parent: row.parent_id || 'state'}));
  const district = organizations.find(({kind}) => kind === 'KIND_DISTRICT');
  return {
    folder, organizations, id: district.id, name: district.name,
    organization: `organizations/${district.id}`,
    schools: organizations.filter(({kind}) => kind === 'KIND_SCHOOL'),
    truth: JSON.parse(fs.readFileSync(path.join(folder, 'truth.json'), 'utf8')),
    rows: Object.fromEntries(DATASETS.map((name) =>
      [name, readCsv(path.join(folder, `${name}.csv`))]))};
}

export function csvOf(rows) {
  const columns = Object.keys(rows[0]);
  return [columns.join(','), ...rows.map((row) => columns.map((name) => row[name]).join(',')), '']
      .join('\n');
}

const CHUNK = 64 << 10;

export function pushParts(district, dataset, csv, ids = {request_id: newId(), batch_id: newId()}) {
  const bytes = Buffer.from(csv);
  const parts = [{header: {...ids, dataset: `datasets/${dataset}`,
    district: `organizations/${district}`, mode: 'MODE_REPLACE_ALL'}}];
  for (let at = 0; at < bytes.length; at += CHUNK) {
    parts.push({csv: bytes.subarray(at, at + CHUNK)});
  }
  return parts;
}

export const push = (user, district, dataset, csv) =>
  upload(user, 'dataset.PushRecords', pushParts(district, dataset, csv));

export async function versions(user, district, copy) {
  const answer = await call(user, 'dataset.GetVersions', {copy,
    district: `organizations/${district}`, datasets: DATASETS.map((name) => `datasets/${name}`)});
  return Object.fromEntries(answer.versions.map((version) => [version.dataset.split('/')[1], version]));
}

// All records that differ between the copies, by dataset.
export async function differences(user, district) {
  const found = {};
  for (const dataset of DATASETS) {
    found[dataset] = await list(user, 'dataset.CompareCopies',
        {district: `organizations/${district}`, dataset: `datasets/${dataset}`}, 'differences');
  }
  return found;
}

export async function certificationOf(user, event, organization) {
  return waitFor(`the certification of ${event} by ${organization}`, async () => {
    const {certifications} = await call(user, 'workflow.ListCertifications',
        {event, organization: `organizations/${organization}`});
    return certifications[0];
  });
}

export async function watchReport(user, name) {
  const states = await stream(user, 'validation.WatchReport', {name});
  const last = states.at(-1);
  if (last.state !== 'COMPLETED') throw new Error(`${name} is ${last.state}`);
  return {states, report: last};
}

// Downloads a report to its end, which makes it viewed.
export async function download(user, name) {
  const [first, ...rest] = await stream(user, 'validation.DownloadReport', {name});
  return {header: first.header, content: Buffer.concat(rest.map((part) => part.chunk))};
}

// --- A person's way through the wizard ----------------------------------------------------------

export const getCertification = (user, name) => call(user, 'workflow.GetCertification', {name});

export async function reviewStep(user, certification, step) {
  const {report} = await command(user, 'workflow.GenerateStepReport',
      {certification, step, format: 'REPORT_FORMAT_HTML'});
  await watchReport(user, report.name);
  await download(user, report.name);
}

export async function takeSnapshot(user, certification) {
  const {etag} = await getCertification(user, certification);
  await command(user, 'workflow.TakeSnapshot', {certification, etag, format: 'REPORT_FORMAT_HTML'});
  const {candidate_snapshot: name} = await getCertification(user, certification);
  await stream(user, 'snapshot.WatchSnapshot', {name});
  const report = await waitFor('the report of the snapshot', async () =>
    (await getCertification(user, certification)).steps[2].report);
  await watchReport(user, report);
}

export async function sign(user, certification) {
  for (const {report} of (await getCertification(user, certification)).steps) {
    await download(user, report);
  }
  const seen = await getCertification(user, certification);
  return command(user, 'workflow.SubmitCertification', {certification, etag: seen.etag,
    acknowledged_warnings: true, snapshot: seen.candidate_snapshot,
    attestation_text_version: seen.attestation_text_version});
}

// All steps by the first of these users, then the signatures of all.
export async function certify(certification, users) {
  for (const step of [1, 2]) await reviewStep(users[0], certification, step);
  await takeSnapshot(users[0], certification);
  for (const user of users) await sign(user, certification);
}
