// What every RPC promises alike, read from the protos of the tree and asked of every replica.
import assert from 'node:assert/strict';
import {after, test} from 'node:test';
import grpc from '@grpc/grpc-js';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import {
  addressesOf, call, closeAll, healthOf, newId, Refusal, reflectionOf, serviceToken} from './lib/client.mjs';
import {cluster, feedsAreRead} from './lib/cluster.mjs';
import {methods, SERVICES} from './lib/protos.mjs';
import {
  activateRule, certificationOf, command, createCategory, createEvent, createOrganization, createUser,
  ensureState, eventOf, LOCAL_TOOLS, STATE_TOOLS, watchReport} from './lib/world.mjs';

after(closeAll);

const all = methods();
const replicas = () => Object.keys(SERVICES).flatMap((service) =>
  addressesOf(service).map((address) => [service, address]));

test('every RPC says who may call it', () => {
  for (const {key, policy} of all) {
    assert.ok(policy, `${key} has a policy`);
    assert.ok(['USER', 'SERVICE', 'USER_OR_SERVICE'].includes(policy.caller), key);
    assert.ok(['READ', 'COMMAND', 'LIST', 'START_JOB', 'TRANSFER', 'WATCH'].includes(policy.call_class),
        key);
    const rights = [policy.rights ?? []].flat();
    assert.equal(rights.length > 0, Boolean(policy.tool), `${key} names rights with a tool`);
  }
});

test('every mutating RPC has a request id', () => {
  for (const {key, request, mutating} of all) {
    const holder = key === 'dataset.PushRecords' ? request.lookupType('Header') : request;
    assert.equal('request_id' in holder.fields, mutating, key);
    if (mutating) assert.equal(holder.fields.request_id.id, 1, key);
  }
});

test('every RPC has a request message of its own', () => {
  const seen = new Set();
  for (const {key, request, name} of all) {
    assert.ok(!seen.has(request.fullName), `${key} shares ${request.fullName}`);
    assert.equal(request.name, `${name}Request`, key);
    seen.add(request.fullName);
  }
});

test('health answers on every replica', async () => {
  for (const [service, address] of replicas()) {
    const answer = await new Promise((resolve, reject) => {
      healthOf(address).Check({service: ''}, {deadline: Date.now() + 5000},
          (error, message) => (error ? reject(error) : resolve(message)));
    });
    assert.equal(answer.status, 'SERVING', `${service} at ${address}`);
  }
});

function reflect(address, request) {
  return new Promise((resolve, reject) => {
    const conversation = reflectionOf(address).ServerReflectionInfo();
    conversation.on('data', (message) => {
      resolve(message);
      conversation.end();
    });
    conversation.on('error', reject);
    conversation.write(request);
  });
}

test('reflection shows the services of the tree on every replica', async () => {
  for (const [service, address] of replicas()) {
    const name = SERVICES[service][1];
    const listed = await reflect(address, {list_services: ''});
    const names = listed.list_services_response.service.map((row) => row.name);
    assert.ok(names.includes(name), `${name} at ${address}`);
    const file = await reflect(address, {file_containing_symbol: name});
    const raw = file.file_descriptor_response.file_descriptor_proto[0];
    const shown = descriptor.FileDescriptorProto.decode(raw).service
        .find((row) => name.endsWith(`.${row.name}`)).method.map((row) => row.name);
    assert.deepEqual(shown.toSorted(),
        all.filter((row) => row.service === service).map((row) => row.name).toSorted());
  }
});

test('an unknown method is UNIMPLEMENTED', async () => {
  for (const [service, address] of replicas()) {
    const client = new grpc.Client(address, grpc.credentials.createInsecure());
    const error = await new Promise((resolve) => {
      client.makeUnaryRequest(`/${SERVICES[service][1]}/NoSuchMethod`, () => Buffer.alloc(0),
          (data) => data, {}, new grpc.Metadata(), {deadline: Date.now() + 5000}, resolve);
    });
    client.close();
    assert.equal(error?.code, grpc.status.UNIMPLEMENTED, `${service} at ${address}`);
  }
});

test('/metrics answers on every replica', async () => {
  for (const [service, {metrics_addresses: addresses}] of Object.entries(cluster().services)) {
    for (const address of addresses) {
      const answer = await fetch(`http://${address}/metrics`);
      assert.equal(answer.status, 200, service);
      assert.match(await answer.text(), /^# TYPE \S+ (counter|gauge|histogram)/m, service);
    }
  }
});

test('an answer repeats the caller\'s x-request-id', async () => {
  const id = newId();
  const metadata = new grpc.Metadata();
  metadata.set('x-request-id', id);
  const client = new grpc.Client(addressesOf('registry')[0], grpc.credentials.createInsecure());
  const echoed = await new Promise((resolve) => {
    client.makeUnaryRequest('/edcert.registry.v1.EventRegistry/GetOrganization',
        () => Buffer.alloc(0), (data) => data, {}, metadata, {deadline: Date.now() + 5000}, () => {})
        .on('metadata', (initial) => resolve(initial.get('x-request-id')));
  });
  client.close();
  assert.deepEqual(echoed, [id]);
});

// --- Lists --------------------------------------------------------------------------------------

const D = 'contract-district';
const world = {};

test('a small world', {timeout: 60_000}, async () => {
  await ensureState();
  await createOrganization(command, D, 'KIND_DISTRICT', 'Contract District', 'state');
  await createUser(command, 'contract-sam', 'Contract manager', 'state', STATE_TOOLS);
  await createUser(command, 'contract-ann', 'Contract certifier', D, LOCAL_TOOLS);
  const category = await createCategory(command, 'contract-sam', 'contract', 'Contract',
      [['contract-ann', 'CERTIFIER', D], ['contract-sam', 'APPROVER', 'state']]);
  const rules = [];
  for (const code of ['CONTRACT-1', 'CONTRACT-2']) {
    const created = await command('contract-sam', 'validation.CreateRule', {rule: {
      code, title: code, meaning: 'A student has a name.', severity: 'SEVERITY_WARNING',
      datasets: ['datasets/enrollment'], message: 'No name: {student_uid}.',
      row: {expression: 'first_name IS NULL'},
      fixtures: [{rows: [{values: {student_uid: '1'}, must_fire: true}]}]}});
    rules.push(await activateRule(command, 'contract-sam', created));
  }
  const groups = [];
  for (const title of ['Contract one', 'Contract two']) {
    const created = await command('contract-sam', 'validation.CreateRuleGroup', {rule_group: {
      title, level: 'LEVEL_DISTRICT', rules: rules.map(({name}) => ({rule: name}))}});
    groups.push(await command('contract-sam', 'validation.ActivateRuleGroup',
        {name: created.name, etag: created.etag}));
  }
  const events = [];
  for (const id of ['contract-1', 'contract-2']) {
    events.push(await createEvent(command, 'contract-sam', id,
        eventOf(id, category.name, groups[0], [D]), groups[0]));
  }
  const certification = await certificationOf('contract-ann', events[0].name, D);
  await certificationOf('contract-ann', events[1].name, D);
  for (const event of events) {
    await command('contract-sam', 'snapshot.CreateSnapshot',
        {event: event.name, organization: `organizations/${D}`});
  }
  const report = await command('contract-ann', 'validation.CreateReport', {event: events[0].name,
    organization: `organizations/${D}`, kind: 'REPORT_KIND_DISTRICT_DATA',
    format: 'REPORT_FORMAT_HTML'});
  await feedsAreRead();
  const base = (await call('contract-sam', 'snapshot.ListSnapshots', {event: events[0].name}))
      .snapshots[0].name;
  Object.assign(world, {category, certification, report, base});
});

const LOCAL = {
  'dataset.ListSyncIssues': () => ({district: `organizations/${D}`}),
  'dataset.ListResyncs': () => ({district: `organizations/${D}`}),
  'dataset.ListRecords': () => ({dataset: 'datasets/enrollment', copy: 'COPY_DISTRICT',
    district: `organizations/${D}`}),
  'dataset.CompareCopies': () => ({dataset: 'datasets/enrollment', district: `organizations/${D}`}),
  'notification.ListMessages': () => ({parent: 'users/contract-ann'}),
  'validation.ListFindings': () => ({report: world.report.name}),
  'validation.ListFindingGroups': () => ({report: world.report.name}),
  'validation.ListWaivers': () => ({event: world.report.event,
    organization: `organizations/${D}`}),
  'snapshot.DiffSnapshots': () => ({base: world.base}),
  'workflow.ListTransitions': () => ({certification: world.certification.name}),
};

const paged = all.filter(({request}) => 'page_size' in request.fields);
const callerOf = (key) => (key.startsWith('notification.') ? 'contract-ann' : 'contract-sam');
const contentOf = (key) => LOCAL[key]?.() ?? {};
const entriesOf = (answer) => Object.values(answer).filter(Array.isArray);

async function refused(key, content, reason) {
  const error = await call(callerOf(key), key, content).then(() => undefined, (thrown) => thrown);
  assert.ok(error instanceof Refusal, `${key} ${JSON.stringify(content)} is refused`);
  assert.deepEqual([error.code, error.reason], ['INVALID_ARGUMENT', reason], error.message);
}

test('every list has a page size and a page token', () => {
  for (const {key, policy, request, name} of all) {
    if (policy.call_class !== 'LIST' || !/^List|^Compare|^Diff/.test(name)) continue;
    const wanted = name === 'ListChanges' ? 'limit' : 'page_size';
    assert.ok(wanted in request.fields, key);
  }
});

test('the server limits every page', async (t) => {
  await watchReport('contract-ann', world.report.name);
  for (const {key} of paged) {
    await t.test(key, async () => {
      const content = contentOf(key);
      await refused(key, {...content, page_size: -1}, 'FIELD_INVALID');
      const huge = await call(callerOf(key), key, {...content, page_size: 100_000});
      for (const entries of entriesOf(huge)) assert.ok(entries.length <= 1000);
      const usual = await call(callerOf(key), key, content);
      assert.ok('next_page_token' in usual);
    });
  }
});

test('a page token is good for its own query only', async (t) => {
  const foreign = (await call('contract-sam', 'registry.ListUsers', {page_size: 1})).next_page_token;
  assert.notEqual(foreign, '');
  let followed = 0;
  for (const {key, request} of paged) {
    await t.test(key, async () => {
      const content = contentOf(key);
      await refused(key, {...content, page_token: 'not a token'}, 'PAGE_TOKEN_INVALID');
      if (key !== 'registry.ListUsers') {
        await refused(key, {...content, page_token: foreign}, 'PAGE_TOKEN_INVALID');
      }
      const first = await call(callerOf(key), key, {...content, page_size: 1});
      if (!first.next_page_token) return;
      ++followed;
      const second = await call(callerOf(key), key,
          {...content, page_size: 1, page_token: first.next_page_token});
      assert.notDeepEqual(entriesOf(second), entriesOf(first), 'another page');
      // With another filter it is refused.
      const filters = {organization: `organizations/${D}`, subject: 'events/contract-1',
        title_contains: 'contract', display_name_contains: 'c', level: 'LEVEL_DISTRICT',
        unread_only: true, category: 'categories/contract'};
      const filter = Object.keys(filters).find((name) => name in request.fields && !(name in content));
      if (filter) {
        await refused(key, {...content, page_size: 1, page_token: first.next_page_token,
          [filter]: filters[filter]}, 'PAGE_TOKEN_INVALID');
      }
    });
  }
  assert.ok(followed >= 10, `${followed} lists had a second page`);
});

test('the change feeds are for services only, in order and limited', async () => {
  const services = {registry: 'workflow', dataset: 'workflow', validation: 'workflow',
    snapshot: 'workflow', workflow: 'notification'};
  for (const [service, reader] of Object.entries(services)) {
    const key = `${service}.ListChanges`;
    const error = await call('contract-sam', key, {}).then(() => undefined, (thrown) => thrown);
    assert.deepEqual([error?.code, error?.reason], ['PERMISSION_DENIED', 'NOT_PERMITTED'], key);
    const own = {'x-service-authorization': `Bearer ${serviceToken(reader)}`};
    const {changes} = await call(own, key, {after: 0, limit: 100_000}).catch((thrown) => {
      assert.deepEqual([thrown.code, thrown.reason], ['INVALID_ARGUMENT', 'FIELD_INVALID'], key);
      return call(own, key, {after: 0, limit: 1000});
    });
    assert.ok(changes.length <= 1000);
    assert.deepEqual(changes.map(({position}) => Number(position)),
        changes.map((_, i) => i + 1), `${key} has no gaps`);
    for (const content of [{after: -1}, {limit: -1}]) {
      const refusal = await call(own, key, content).then(() => undefined, (thrown) => thrown);
      assert.deepEqual([refusal?.code, refusal?.reason], ['INVALID_ARGUMENT', 'FIELD_INVALID'], key);
    }
  }
});
