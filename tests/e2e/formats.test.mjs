// A report in each format, from the wizard and without an event, through workers and downloads, and
// as edcertctl writes it to a file. What the files hold is read elsewhere (common/render); here they
// agree with each other and with what the servers say of them.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, test} from 'node:test';
import {promisify} from 'node:util';
import {closeAll, list} from './lib/client.mjs';
import {feedsAreRead, generate, quote, root, sqlNumber, waitFor} from './lib/cluster.mjs';
import {
  certificationOf, command, createCategory, createEvent, createOrganization, createRules,
  createUser, csvOf, DATASETS, download, ensureState, eventOf, getCertification, LOCAL_TOOLS, push,
  readDistrict, STATE_TOOLS, versions, watchReport} from './lib/world.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edcert-formats-'));
after(() => {
  closeAll();
  fs.rmSync(folder, {recursive: true});
});

generate(folder, '--seed', '5', '--students', '80', '--schools', '2');
const district = readDistrict(folder);
const w = {};

const FORMATS = {
  PDF: [/^application\/pdf$/, /\.pdf$/, '%PDF-'],
  HTML: [/^text\/html; charset=utf-8$/, /\.html$/, '<!DOCTYPE html>'],
  CSV: [/^text\/csv; charset=utf-8; header=present$/, /\.csv$/, 'rule_code,'],
  XLSX: [/^application\/vnd\.openxmlformats-officedocument\.spreadsheetml\.sheet$/, /\.xlsx$/, 'PK'],
  JSON: [/^application\/json$/, /\.json$/, '{\n"schema": "edcert.report/2"'],
  CSV_EXACT: [/^text\/csv; charset=utf-8; header=present$/, /\.csv$/, 'rule_code,'],
};

test('a district whose records have findings, and an event', async () => {
  await ensureState();
  for (const {id, kind, name, parent} of district.organizations) {
    await createOrganization(command, id, kind, name, parent);
  }
  await createUser(command, 'sam', 'Sam', 'state', STATE_TOOLS);
  await createUser(command, 'ann', 'Ann', district.id, LOCAL_TOOLS);
  await feedsAreRead();
  for (const name of DATASETS) await push('ann', district.id, name, csvOf(district.rows[name]));
  await waitFor('the state copy', async () => {
    const found = await versions('ann', district.id, 'COPY_STATE');
    return DATASETS.every((name) => Number(found[name].version) > 0);
  });
  const category = await createCategory(command, 'sam', 'formats', 'Formats',
      [['ann', 'CERTIFIER', district.id]]);
  w.group = (await createRules(command, 'sam', 'formats')).group;
  w.event = await createEvent(command, 'sam', 'formats',
      eventOf('Fall <b>&</b> "Enrollment"', category.name, w.group, [district.id]), w.group);
  w.certification = (await certificationOf('ann', w.event.name, district.id)).name;
});

test('the wizard makes step 1 in each format, and what was viewed last is its report', async () => {
  w.files = {};
  for (const [format, [type, name, start]] of Object.entries(FORMATS)) {
    const {report: {name: report}} = await command('ann', 'workflow.GenerateStepReport',
        {certification: w.certification, step: 1, format: `REPORT_FORMAT_${format}`});
    const made = (await watchReport('ann', report)).report;
    assert.equal(made.format, `REPORT_FORMAT_${format}`);
    const {header, content} = await download('ann', report);
    assert.match(header.media_type, type);
    assert.match(header.file_name, name);
    assert.equal(Number(header.size), content.length);
    assert.equal(header.sha256, crypto.createHash('sha256').update(content).digest('hex'));
    assert.equal(content.subarray(0, start.length).toString('latin1'), start);
    w.files[format] = {report, content, counts: made.counts};
    const step = (await getCertification('ann', w.certification)).steps[0];
    assert.equal(step.state, 'FATAL_FOUND');
    assert.equal(step.report, report);
  }
});

test('the formats tell the same findings', async () => {
  const json = JSON.parse(w.files.JSON.content);
  assert.equal(json.report, w.files.JSON.report);
  assert.equal(json.event, w.event.name);
  assert.equal(json.rule_group, w.group.name);
  assert.equal(json.organization, district.organization);
  assert.ok(json.findings.length > 5);
  assert.equal(json.findings_listed, json.findings.length);
  for (const {severity, records, rules} of w.files.JSON.counts) {
    const told = json.severities.find((each) => `SEVERITY_${each.severity}` === severity);
    assert.deepEqual([told.findings, told.rules_failed], [Number(records), Number(rules)], severity);
  }
  // The file is about what the list of findings is about.
  const stored = await list('ann', 'validation.ListFindings', {report: w.files.JSON.report},
      'findings');
  const keys = (findings) => findings.map(([rule, key, message]) => `${rule} ${key} ${message}`)
      .sort();
  assert.deepEqual(keys(json.findings.map((each) => [each.rule, each.record_key, each.message])),
      keys(stored.map((each) => [each.rule_code, each.record_key, each.message])));
  const lines = w.files.CSV_EXACT.content.toString().split('\r\n');
  const notes = json.rules.filter((rule) => rule.truncated || rule.outcome === 'ERROR').length;
  assert.equal(lines.length - 2, json.findings.length + notes);
  assert.equal(w.files.CSV.content.toString().split('\r\n').length, lines.length);
  const html = w.files.HTML.content.toString();
  for (const {record_key: key} of json.findings) assert.ok(html.includes(key), key);
  assert.ok(html.includes('Fall &lt;b&gt;&amp;&lt;/b&gt;'));
});

test('a report of a group alone is made in each format, and edcertctl writes it to a file',
    async () => {
  const edcertctl = path.join(process.env.EDCERT_BUILD ?? path.join(root, 'build/dev'),
      'bin/edcertctl');
  for (const [format, [, , start]] of Object.entries(FORMATS)) {
    const {name} = await command('admin', 'validation.CreateReport', {rule_group: w.group.name,
      organization: district.organization, kind: 'REPORT_KIND_STATE_DATA',
      format: `REPORT_FORMAT_${format}`});
    const {report} = await watchReport('admin', name);
    const file = path.join(folder, `report-${format}`);
    const {stdout} = await promisify(execFile)(edcertctl, ['--cluster', process.env.EDCERT_CLUSTER,
      '--as', 'admin', 'validation_report', 'download-report', '--name', name, '--out', file]);
    const content = fs.readFileSync(file);
    assert.equal(content.subarray(0, start.length).toString('latin1'), start);
    const digest = crypto.createHash('sha256').update(content).digest('hex');
    assert.equal(digest, report.sha256);
    assert.equal(JSON.parse(stdout).sha256, digest);
  }
});

test('edcertctl tells at a terminal how far an upload is, and elsewhere prints the answer alone',
    async () => {
  const edcertctl = path.join(process.env.EDCERT_BUILD ?? path.join(root, 'build/dev'),
      'bin/edcertctl');
  const file = path.join(folder, 'terminal.csv');
  fs.writeFileSync(file, csvOf(district.rows.enrollment));
  const words = [edcertctl, '--cluster', process.env.EDCERT_CLUSTER, '--as', 'ann', 'dataset',
    'push-records', '--dataset', 'datasets/enrollment', '--district', district.organization,
    '--mode', 'MODE_UPSERT', '--csv', file];
  const upload = () => [...words, '--batch-id', crypto.randomUUID()];
  const run = promisify(execFile);
  const quiet = await run(upload()[0], upload().slice(1));
  assert.equal(quiet.stderr, '');
  const rows = district.rows.enrollment.length;
  assert.equal(Number(JSON.parse(quiet.stdout).received), rows);
  // `script` gives a program a terminal.
  const {stdout} = await run('script', ['-qec', upload().map((word) => `'${word}'`).join(' '),
    '/dev/null']);
  const [told, ...answer] = stdout.split('\n');
  assert.match(told, new RegExp(`sent 100 % of ${fs.statSync(file).size} bytes; the server applies`));
  assert.equal(Number(JSON.parse(answer.join('\n')).received), rows);
});

test('nothing of a file is left but that of the attempt that made it', async () => {
  assert.equal(await sqlNumber(`SELECT count(*) FROM validation.report_artifact a
    JOIN validation.report r USING (report_id)
    WHERE r.result_attempt IS DISTINCT FROM a.attempt`), 0);
  const {report} = w.files.PDF;
  assert.ok(await sqlNumber(`SELECT count(*) FROM validation.report_artifact
    WHERE report_id = ${quote(report.split('/')[1])}`) > 0);
});
