// An event of schools: a certifier of the district who signs for all its schools hears what theirs
// hear, once; and the state corrects the event until it publishes it.
import assert from 'node:assert/strict';
import {after, test} from 'node:test';
import {call, closeAll, list} from './lib/client.mjs';
import {cluster, feedsAreRead, processTree} from './lib/cluster.mjs';
import {activateRule, addMember, certificationOf, command, createOrganization, createUser, day, ensureState,
  eventOf, LOCAL_TOOLS, STATE_TOOLS} from './lib/world.mjs';

after(closeAll);

const D = 'schools-district';
const A = 'schools-a';
const B = 'schools-b';
const state = 'schools-sam';
const ella = 'schools-ella';  // of the district, with all schools
const olga = 'schools-olga';  // of the district's office, without the schools
const bob = 'schools-bob';  // of school A
const nora = 'schools-nora';  // of school A, a member too late
const w = {};

// Somebody who is assigned without all schools.
const createPerson = (id, organization) => command('admin', 'registry.CreateUser', {user_id: id,
  user: {display_name: id, assignments: [{organization: `organizations/${organization}`}],
    tool_grants: LOCAL_TOOLS}});

// The causes of somebody's messages, oldest first.
async function told(user) {
  await feedsAreRead();
  const found = await list(user, 'notification.ListMessages', {parent: `users/${user}`}, 'messages');
  return found.map(({cause}) => cause.replace('CAUSE_', '')).reverse();
}

test('a category and a group of schools', {timeout: 60_000}, async () => {
  await ensureState();
  await createOrganization(command, D, 'KIND_DISTRICT', D, 'state');
  await createOrganization(command, A, 'KIND_SCHOOL', A, D);
  await createOrganization(command, B, 'KIND_SCHOOL', B, D);
  await createUser(command, state, state, 'state', STATE_TOOLS);
  await createUser(command, ella, ella, D, LOCAL_TOOLS);
  await createPerson(bob, A);
  await createPerson(olga, D);
  const category = await command(state, 'registry.CreateCategory',
      {category_id: 'schools', category: {title: 'Schools', level: 'LEVEL_SCHOOL'}});
  w.category = category.name;
  await addMember(command, state, category.name, state, 'APPROVER', 'state');
  await addMember(command, state, category.name, ella, 'CERTIFIER', D);
  await addMember(command, state, category.name, olga, 'REVIEWER', D);
  await addMember(command, state, category.name, bob, 'REVIEWER', A);
  await command(state, 'registry.PublishCategory', {name: category.name, etag: category.etag});
  const rule = await command(state, 'validation.CreateRule', {rule: {
    code: 'SCHOOLS-1', title: 'No name', meaning: 'A student has a name.',
    severity: 'SEVERITY_WARNING', datasets: ['datasets/enrollment'],
    message: 'No name: {student_uid}.', row: {expression: 'first_name IS NULL'},
    fixtures: [{rows: [{values: {student_uid: '1'}, must_fire: true}]}]}});
  const active = await activateRule(command, state, rule);
  const group = await command(state, 'validation.CreateRuleGroup', {rule_group: {
    title: 'Schools', level: 'LEVEL_SCHOOL', rules: [{rule: active.name}]}});
  w.group = await command(state, 'validation.ActivateRuleGroup',
      {name: group.name, etag: group.etag});
});

test('an event is corrected until it is published', {timeout: 60_000}, async () => {
  const draft = await command(state, 'registry.CreateEvent', {event_id: 'schools-fall',
    event: eventOf('Hedcount', w.category, w.group, [], {level: 'LEVEL_SCHOOL'})});
  const publish = {name: draft.name, rule_group_version: w.group.version};
  await assert.rejects(command(state, 'registry.PublishEvent', {...publish, etag: draft.etag}),
      {reason: 'NO_PARTICIPANTS'});
  const update = {event: {name: draft.name, title: 'Head count', due_date: day(20),
    participants: [A, B].map((id) => `organizations/${id}`)},
  update_mask: {paths: ['title', 'due_date', 'participants']}, etag: draft.etag};
  const corrected = await command(state, 'registry.UpdateEvent', update);
  assert.deepEqual([corrected.title, corrected.due_date, corrected.participant_count],
      ['Head count', day(20), 2]);
  assert.deepEqual(corrected.end_date, draft.end_date);
  await assert.rejects(command(state, 'registry.UpdateEvent', update), {reason: 'ETAG_MISMATCH'});
  w.event = await command(state, 'registry.PublishEvent', {...publish, etag: corrected.etag});
  await assert.rejects(command(state, 'registry.UpdateEvent', {...update, etag: w.event.etag}),
      {reason: 'TRANSITION_NOT_ALLOWED'});
});

test('whoever signs for all schools hears of each, once', {timeout: 60_000}, async () => {
  w.certification = await certificationOf(ella, w.event.name, B);
  assert.deepEqual(await told(ella), ['EVENT_PUBLISHED']);
  assert.deepEqual(await told(bob), ['EVENT_PUBLISHED']);
  assert.deepEqual(await told(olga), []);
  const {title} = (await list(ella, 'notification.ListMessages', {parent: `users/${ella}`},
      'messages'))[0];
  assert.ok(title.includes('Head count'), title);

  const {name, etag} = await call(state, 'workflow.GetCertification', {name: w.certification.name});
  await command(state, 'workflow.ExemptParticipant',
      {certification: name, etag, reason: 'It has no pupils any more.'});
  assert.deepEqual(await told(ella), ['EVENT_PUBLISHED', 'PARTICIPANT_EXEMPTED']);
  assert.deepEqual(await told(bob), ['EVENT_PUBLISHED']);
  assert.deepEqual(await told(olga), []);
});

test('recipients are those of the moment, however late the feed is read', {timeout: 60_000}, async () => {
  await createPerson(nora, A);
  const members = await list(state, 'registry.ListMembers', {category: w.category}, 'members');
  const {etag} = await call(state, 'registry.GetEvent', {name: w.event.name});
  const {processes} = cluster();
  const stopped = Object.keys(processes).filter((name) => name.startsWith('notification'))
      .flatMap((name) => processTree(processes[name].pid));
  assert.ok(stopped.length >= 2);
  for (const pid of stopped) process.kill(pid, 'SIGSTOP');
  try {
    await command(state, 'registry.CloseEvent', {name: w.event.name, etag, reason: 'Over.'});
    await command(state, 'registry.RemoveMember',
        {name: members.find(({user}) => user === `users/${bob}`).name});
    await addMember(command, state, w.category, nora, 'REVIEWER', A);
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
  }
  assert.deepEqual(await told(ella), ['EVENT_PUBLISHED', 'PARTICIPANT_EXEMPTED', 'EVENT_CLOSED']);
  assert.deepEqual(await told(bob), ['EVENT_PUBLISHED', 'EVENT_CLOSED']);
  assert.deepEqual(await told(nora), []);
});
