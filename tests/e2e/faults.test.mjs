// What is lost when a part of the product is lost: nothing that was accepted, and nothing is done
// twice. Processes of this cluster only are killed, by their ids.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {call, closeAll, list, newId, serviceToken} from './lib/client.mjs';
import {
  cluster, clusterPy, feedsAreRead, generate, isAlive, killReplica, quote, sql, sqlNumber,
  waitFor, workersOf} from './lib/cluster.mjs';
import {
  command, createOrganization, createRules, createUser, csvOf, DATASETS, download, ensureState,
  LOCAL_TOOLS, push, readDistrict, STATE_TOOLS, versions} from './lib/world.mjs';

const REPORT_SERVERS = ['validation_report-1', 'validation_report-2'];
const DISTRICTS = 4;
const GROUPS = 2;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edcert-faults-'));
after(() => {
  closeAll();
  fs.rmSync(folder, {recursive: true});
});

const own = () => ({'x-service-authorization': `Bearer ${serviceToken('workflow')}`});
const districts = [];
const groups = [];

before(async () => {
  await ensureState();
  await createUser(command, 'sam', 'Sam', 'state', STATE_TOOLS);
  for (let i = 0; i < DISTRICTS; ++i) {
    const target = path.join(folder, String(i));
    generate(target, '--seed', String(20 + i), '--students', '150', '--schools', '1');
    const district = readDistrict(target);
    for (const {id, kind, name, parent} of district.organizations) {
      await createOrganization(command, id, kind, name, parent);
    }
    await createUser(command, `sis-${i}`, `System ${i}`, district.id, LOCAL_TOOLS);
    await feedsAreRead();  // The state takes records of schools that it knows.
    for (const name of DATASETS) {
      await push(`sis-${i}`, district.id, name, csvOf(district.rows[name]));
    }
    districts.push({...district, user: `sis-${i}`});
  }
  const {rules, group} = await createRules(command, 'sam', 'faults-0');
  groups.push(group.name);
  for (let i = 1; i < GROUPS; ++i) {
    const made = await command('sam', 'validation.CreateRuleGroup', {rule_group: {
      title: `Faults ${i}`, level: 'LEVEL_DISTRICT', rules: rules.map(({name}) => ({rule: name}))}});
    groups.push((await command('sam', 'validation.ActivateRuleGroup',
        {name: made.name, etag: made.etag})).name);
  }
  for (const {id, user, rows} of districts) {
    await waitFor('the state copy', async () => {
      const found = await versions(user, id, 'COPY_STATE');
      return DATASETS.every((name) => found[name].row_count === rows[name].length);
    });
  }
}, {timeout: 120_000});

// --- Reports ------------------------------------------------------------------------------------

// Asks for one report of each district, group, kind and form; all of them different jobs.
async function acceptReports() {
  const requests = districts.flatMap(({organization}) => groups.flatMap((rule_group) =>
    ['REPORT_KIND_DISTRICT_DATA', 'REPORT_KIND_STATE_DATA'].flatMap((kind) =>
      ['REPORT_FORMAT_HTML', 'REPORT_FORMAT_CSV'].map((format) =>
        ({organization, rule_group, kind, format})))));
  const reports = await Promise.all(requests.map((request) => persist(() => command(own(),
      'validation.CreateReport', request))));
  assert.equal(new Set(reports.map(({name}) => name)).size, requests.length);
  return reports.map(({name}) => name);
}

const uuids = (names) => names.map((name) => `${quote(name.split('/')[1])}::uuid`).join(', ');
const inState = (names, ...states) => sqlNumber(`SELECT count(*) FROM validation.job
  WHERE id IN (${uuids(names)}) AND state IN (${states.map(quote).join(', ')})`);

// Every accepted report ends well, once, and its file is what its digest says.
async function allCompletedOnce(names, {mostAttempts}) {
  await waitFor('all reports to end', async () => {
    const open = await inState(names, 'QUEUED', 'RUNNING');
    return open === 0;
  }, 120);
  const changes = new Map(await sql(`SELECT subject, count(*) FROM validation.change
    WHERE type = 'report_completed' AND subject IN (${names.map(quote).join(', ')}) GROUP BY 1`));
  let attempts = 0;
  for (const name of names) {
    const report = await call(own(), 'validation.GetReport', {name});
    assert.equal(report.state, 'COMPLETED', `${name} ${JSON.stringify(report.failure)}`);
    assert.ok(report.attempt >= 1 && report.attempt <= mostAttempts,
        `${name} took ${report.attempt} attempts`);
    attempts = Math.max(attempts, report.attempt);
    assert.equal(changes.get(name), '1', `one report_completed of ${name}`);
  }
  const others = await sqlNumber(`SELECT count(*) FROM validation.change
    WHERE type IN ('report_failed', 'report_cancelled') AND subject IN (${names.map(quote).join(', ')})`);
  assert.equal(others, 0);
  const {header, content} = await download(own(), names[0]);
  assert.equal(crypto.createHash('sha256').update(content).digest('hex'), header.sha256);
  return attempts;
}

async function redis(words) {
  const {host, port} = cluster().redis;
  return new Promise((resolve, reject) => {
    const socket = net.createConnection({host, port}, () => socket.write(`${words}\r\n`));
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

// --- Calls that are sent again ------------------------------------------------------------------

const RETRIED = new Set(['UNAVAILABLE', 'CANCELLED']);
const SHED = new Set(['QUOTA_EXCEEDED', 'OVERLOADED']);
let seen = [];  // the errors that were met on the way

// Sends a call until it has an answer; only what a client may send again is sent again.
async function persist(send) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      seen.push(error);
      if (!RETRIED.has(error.code) && !SHED.has(error.reason)) throw error;
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
  }
}

// Clients that create categories one after the other until told to end; each command has its id.
function startClients(prefix, count = 4) {
  const made = [];
  let ending = false;
  const clients = Array.from({length: count}, async (_, client) => {
    for (let i = 0; !ending; ++i) {
      const request = {request_id: newId(), category_id: `${prefix}-${client}-${i}`,
        category: {title: `${prefix} ${client} ${i}`, level: 'LEVEL_DISTRICT'}};
      const answer = await persist(() => call('sam', 'registry.CreateCategory', request));
      assert.equal(answer.name, `categories/${request.category_id}`);
      made.push(request);
      const read = await persist(() => call('sam', 'registry.GetCategory', {name: answer.name}));
      assert.deepEqual(read, answer);
    }
  });
  return {
    made,
    async end() {
      ending = true;
      await Promise.all(clients);
      const stored = await sqlNumber(`SELECT count(*) FROM registry.audit
        WHERE request_id IN (${made.map(({request_id}) => `${quote(request_id)}::uuid`).join(', ')})`);
      assert.equal(stored, made.length, 'each command was done once');
      const found = await list('sam', 'registry.ListCategories', {}, 'categories');
      const names = found.map(({name}) => name).filter((name) => name.startsWith(`categories/${prefix}-`));
      assert.equal(names.length, made.length, 'nothing was created besides');
    }};
}

// The exit status of a process that was not waited for, as the kernel keeps it; undefined when it
// is gone.
function exitStatus(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).trim().split(' ').at(-1));
  } catch {
    return undefined;
  }
}

// --- The faults ---------------------------------------------------------------------------------

test('SIGTERM of a replica: its callers lose nothing and it exits with 0', {timeout: 120_000},
    async () => {
      for (const name of ['event_registry-1', 'validation_report-1', 'workflow-1']) {
        const {pid, log} = cluster().processes[name];
        seen = [];
        const clients = startClients(`term-${name.replaceAll('_', '-')}`);
        const names = name.startsWith('validation') ? await acceptReports() : [];
        await waitFor('calls to run', () => clients.made.length >= 20);
        await clusterPy('kill', name, '--signal', 'TERM');
        assert.equal(isAlive(pid), false);
        assert.equal(exitStatus(pid) ?? 0, 0, `exit status of ${name}`);
        assert.match(fs.readFileSync(log, 'utf8').trimEnd().split('\n').at(-1), /stopped/);
        const later = clients.made.length;
        await waitFor('calls on the other replica', () => clients.made.length >= later + 20);
        await clusterPy('start', name);
        await clients.end();
        assert.deepEqual(seen.filter(({code}) => !RETRIED.has(code)).map(String), []);
        if (names.length > 0) await allCompletedOnce(names, {mostAttempts: 3});
      }
    });

test('kill -9 of report workers in the middle of jobs', {timeout: 180_000}, async () => {
  const names = await acceptReports();
  let killed = 0;
  for (let i = 0; i < 2; ++i) {
    await waitFor('a running report', async () => {
      // Reports are quick: all may be done before anybody looks.
      if (await inState(names, 'QUEUED', 'RUNNING') === 0) names.push(...await acceptReports());
      return await inState(names, 'RUNNING') > 0;
    });
    for (const server of REPORT_SERVERS) {
      for (const pid of workersOf(server).workers) {
        process.kill(pid, 'SIGKILL');
        ++killed;
      }
    }
    await waitFor('new workers', () =>
      REPORT_SERVERS.every((server) => workersOf(server).workers.length > 0));
  }
  assert.ok(killed >= 4, `${killed} workers were killed`);
  const attempts = await allCompletedOnce(names, {mostAttempts: 4});
  assert.ok(attempts >= 2, 'a killed job was taken again');
});

test('FLUSHALL on Redis while reports wait', {timeout: 180_000}, async () => {
  const names = await acceptReports();
  assert.ok(await inState(names, 'QUEUED') > 0);
  assert.match(await redis('FLUSHALL'), /^\+OK/);
  assert.equal(await allCompletedOnce(names, {mostAttempts: 1}), 1);
});

test('Redis is away for a while', {timeout: 180_000}, async () => {
  const before = await acceptReports();
  await clusterPy('kill', 'redis');
  const meanwhile = [];
  await waitFor('the reports from before', async () =>
    await inState(before, 'QUEUED', 'RUNNING') === 0);
  meanwhile.push(...await acceptReports());
  await allCompletedOnce(meanwhile, {mostAttempts: 1});
  await clusterPy('start', 'redis');
  const later = await acceptReports();
  await allCompletedOnce([...before, ...later], {mostAttempts: 1});
});

test('kill -9 of a whole replica while its reports run', {timeout: 180_000}, async () => {
  const names = await acceptReports();
  await waitFor('a running report', async () => await inState(names, 'RUNNING') > 0);
  const [name] = REPORT_SERVERS;
  const {pid} = cluster().processes[name];
  killReplica(name);
  await waitFor('its end', () => !isAlive(pid));
  await clusterPy('start', name);
  await allCompletedOnce(names, {mostAttempts: 3});
});

test('kill -9 of PostgreSQL under running commands', {timeout: 180_000}, async () => {
  seen = [];
  const clients = startClients('crash');
  await waitFor('calls to run', () => clients.made.length >= 20);
  await clusterPy('kill', 'postgres');
  await waitFor('a call to fail', () => seen.length > 0);
  // Its processes may hold the data folder for a moment.
  await waitFor('PostgreSQL to start', async () => {
    await clusterPy('start', 'postgres');
    return true;
  });
  const later = clients.made.length;
  await waitFor('calls to go on', () => clients.made.length >= later + 20);
  await clients.end();
  assert.ok(seen.length > 0);
  assert.deepEqual(seen.filter(({code}) => code !== 'UNAVAILABLE').map(String), []);
  // The jobs go on too.
  await allCompletedOnce(await acceptReports(), {mostAttempts: 2});
});
