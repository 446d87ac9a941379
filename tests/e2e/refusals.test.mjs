// Every mutating RPC refuses what it must refuse, with its code and reason, and leaves nothing
// behind. The cases of tokens, request ids and fields are made from the protos and their comments;
// what needs a person or a state is in the table below, which must name every mutating RPC.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import {after, test} from 'node:test';
import protobuf from 'protobufjs';
import {call, closeAll, list, makeToken, newId, Refusal, serviceToken, stream, upload} from './lib/client.mjs';
import {cluster, feedsAreRead, quote, SCHEMAS, sql, stored} from './lib/cluster.mjs';
import {methods, SERVICES} from './lib/protos.mjs';
import {
  activateRule, certificationOf, command, createCategory, createEvent, createOrganization, createUser, day,
  ensureState, eventOf, LOCAL_TOOLS, STATE_TOOLS, watchReport} from './lib/world.mjs';

after(closeAll);

const D1 = 'refusal-one';
const D2 = 'refusal-two';
const state = 'refusal-sam';  // everything at the state, and approver
const ann = 'refusal-ann';  // certifier of D1
const rita = 'refusal-rita';  // reviewer of D1
const lena = 'refusal-lena';  // reviewer of D1, without rights on any tool
const otto = 'refusal-otto';  // of D1, with rights, in no category
const sten = 'refusal-sten';  // at the state, with rights, in no category
const dora = 'refusal-dora';  // certifier of D2
const vera = 'refusal-vera';  // of D1, with the rights on rules that the state's people have
const w = {};  // what the set-up made

const rule = (code) => ({
  code, title: code, meaning: 'A student has a name.', severity: 'SEVERITY_WARNING',
  datasets: ['datasets/enrollment'], message: 'No name: {student_uid}.',
  row: {expression: 'first_name IS NULL'},
  fixtures: [{rows: [{values: {student_uid: '1'}, must_fire: true}]}]});

const column = (name, more = {}) => ({name, type: 'TYPE_STRING', length: 10, code_list: '',
  personal_data: 'PERSONAL_DATA_NONE', description: 'A column.', unit: '', ...more});
const dataset = () => ({title: 'Lunches', description: 'One row per lunch.',
  columns: [column('student', {required: true}), column('school')], key_columns: ['student'],
  school_column: 'school'});

test('a small world', {timeout: 60_000}, async () => {
  await ensureState();
  for (const id of [D1, D2]) await createOrganization(command, id, 'KIND_DISTRICT', id, 'state');
  await createUser(command, state, state, 'state', STATE_TOOLS);
  await createUser(command, sten, sten, 'state', STATE_TOOLS);
  for (const [user, organization] of [[ann, D1], [rita, D1], [otto, D1], [dora, D2]]) {
    await createUser(command, user, user, organization, LOCAL_TOOLS);
  }
  w.lena = await createUser(command, lena, lena, D1, []);
  await createUser(command, vera, vera, D1, STATE_TOOLS);
  w.category = await createCategory(command, state, 'refusal', 'Refusals', [
    [state, 'APPROVER', 'state'], [ann, 'CERTIFIER', D1], [rita, 'REVIEWER', D1],
    [lena, 'REVIEWER', D1], [dora, 'CERTIFIER', D2]]);
  w.members = await list(state, 'registry.ListMembers', {category: w.category.name}, 'members');
  w.draftCategory = await command(state, 'registry.CreateCategory',
      {category_id: 'refusal-draft', category: {title: 'Draft', level: 'LEVEL_DISTRICT'}});

  w.draftRule = await command(state, 'validation.CreateRule', {rule: rule('REFUSAL-1')});
  const active = await command(state, 'validation.CreateRule', {rule: rule('REFUSAL-2')});
  w.activeRule = await activateRule(command, state, active);
  const archived = await command(state, 'validation.CreateRule', {rule: rule('REFUSAL-3')});
  w.archivedRule = await command(state, 'validation.ArchiveRule',
      {name: archived.name, etag: archived.etag});
  const group = (title) => command(state, 'validation.CreateRuleGroup', {rule_group: {
    title, level: 'LEVEL_DISTRICT', rules: [{rule: w.activeRule.name}]}});
  w.draftGroup = await group('Draft');
  const made = await group('Active');
  w.group = await command(state, 'validation.ActivateRuleGroup', {name: made.name, etag: made.etag});

  const event = (title) => eventOf(title, w.category.name, w.group, [D1, D2]);
  w.event = await createEvent(command, state, 'refusal-open', event('Open'), w.group);
  w.draftEvent = await command(state, 'registry.CreateEvent', {event: event('Draft')});
  const future = {...event('Future'), start_date: day(10), certification_opens: day(10)};
  w.futureEvent = await createEvent(command, state, 'refusal-future', future, w.group);

  w.open = await certificationOf(ann, w.event.name, D1);
  const excused = await certificationOf(dora, w.event.name, D2);
  w.exempt = await command(state, 'workflow.ExemptParticipant',
      {certification: excused.name, etag: excused.etag, reason: 'Merged with another district.'});
  w.report = await command(ann, 'validation.CreateReport', {event: w.event.name,
    organization: `organizations/${D1}`, kind: 'REPORT_KIND_STATE_DATA',
    format: 'REPORT_FORMAT_HTML'});
  await watchReport(ann, w.report.name);
  w.dataset = await command(state, 'dataset.CreateDataset',
      {dataset_id: 'state_refusal', dataset: dataset()});
  w.resync = await command(ann, 'dataset.Resync',
      {district: `organizations/${D1}`, datasets: ['datasets/enrollment']});
  await stream(ann, 'dataset.WatchResync', {name: w.resync.name});
  await feedsAreRead();
  [w.message] = await list(ann, 'notification.ListMessages', {parent: `users/${ann}`}, 'messages');
});

// --- The table ----------------------------------------------------------------------------------
//
// user     who may
// request  a request that would be accepted
// refused  [title, user, changes to the request, code, reason]; a title of each kind that applies:
//          role (lacks the right or the role), organisation (another's), state, etag
// reasons  of a field that is refused with another reason than FIELD_INVALID

const NOT_PERMITTED = ['PERMISSION_DENIED', 'NOT_PERMITTED'];
const NOT_FOUND = ['NOT_FOUND', 'NOT_FOUND'];
const EXISTS = ['ALREADY_EXISTS', 'ALREADY_EXISTS'];
const ETAG = ['ABORTED', 'ETAG_MISMATCH'];
const MOVE = ['FAILED_PRECONDITION', 'TRANSITION_NOT_ALLOWED'];
const stale = (user) => ['etag', user, {etag: '999999'}, ...ETAG];
const nobody = newId();

// What is for people with a right at the state: a local person has no such right.
const local = ['role', ann, {}, ...NOT_PERMITTED];

// What even such a right does not let him do.
const outside = ['organisation', vera, {}, ...NOT_PERMITTED];

// The state's and the people's commands on a certification.
const onCertification = (user, more, refusals) => ({
  user,
  request: () => ({certification: w.open.name, ...more()}),
  refused: [
    ['organisation', dora, {}, ...NOT_FOUND],
    ['existence', user, {certification: `certifications/${nobody}`}, ...NOT_FOUND],
    ['stranger', otto, {}, ...NOT_FOUND],
    ['rights', lena, {}, ...NOT_PERMITTED],
    ...refusals]});
const inExempt = (user) => ['state', user,
  () => ({certification: w.exempt.name, etag: w.exempt.etag}), ...MOVE];
const withEtag = (more = {}) => () => ({etag: w.open.etag, ...more});

const TABLE = {
  'registry.CreateOrganization': {
    user: 'admin',
    request: () => ({organization_id: 'refusal-never', organization: {
      kind: 'KIND_DISTRICT', display_name: 'Never', parent: 'organizations/state'}}),
    refused: [
      local,
      ['state', 'admin', {organization_id: D1}, ...EXISTS],
      ['existence', 'admin', {organization: {kind: 'KIND_DISTRICT', display_name: 'Never',
        parent: 'organizations/refusal-nowhere'}}, ...NOT_FOUND]]},
  'registry.CreateUser': {
    user: 'admin',
    request: () => ({user_id: 'refusal-never', user: {display_name: 'Never',
      assignments: [{organization: `organizations/${D1}`}]}}),
    refused: [
      local,
      ['state', 'admin', {user_id: ann}, ...EXISTS],
      ['existence', 'admin', {user: {display_name: 'Never',
        assignments: [{organization: 'organizations/refusal-nowhere'}]}}, ...NOT_FOUND]]},
  'registry.SetToolRights': {
    user: 'admin',
    request: () => ({name: `users/${lena}`, etag: w.lena.etag, tool_grants: []}),
    refused: [local, stale('admin'),
      ['existence', 'admin', {name: 'users/refusal-nobody'}, ...NOT_FOUND]]},
  'registry.CreateCategory': {
    user: state,
    request: () => ({category_id: 'refusal-never',
      category: {title: 'Never', level: 'LEVEL_DISTRICT'}}),
    refused: [local, ['state', state, {category_id: 'refusal'}, ...EXISTS]]},
  'registry.PublishCategory': {
    user: state,
    request: () => ({name: w.draftCategory.name, etag: w.draftCategory.etag}),
    refused: [stale(state),
      ['state', state, () => ({name: w.category.name, etag: w.category.etag}), ...MOVE],
      ['role', lena, () => ({name: w.category.name, etag: w.category.etag}), ...NOT_PERMITTED],
      ['existence', state, {name: 'categories/refusal-nothing'}, ...NOT_FOUND]]},
  'registry.AddMember': {
    user: state,
    request: () => ({member: {category: w.category.name, user: `users/${otto}`,
      role: 'ROLE_REVIEWER', organization: `organizations/${D1}`}}),
    refused: [local,
      ['state', state, () => ({member: {category: w.category.name, user: `users/${rita}`,
        role: 'ROLE_REVIEWER', organization: `organizations/${D1}`}}), ...EXISTS],
      ['existence', state, () => ({member: {category: w.category.name, role: 'ROLE_REVIEWER',
        user: 'users/refusal-nobody', organization: `organizations/${D1}`}}), ...NOT_FOUND]]},
  'registry.RemoveMember': {
    user: state,
    request: () => ({name: w.members[0].name}),
    refused: [
      ['role', ann, () => ({name: w.members.find(({user}) => user === `users/${rita}`).name}),
        ...NOT_PERMITTED],
      ['organisation', dora, () => ({name: w.members.find(({user}) => user === `users/${rita}`).name}),
        ['PERMISSION_DENIED', 'NOT_FOUND'], ['NOT_PERMITTED', 'NOT_FOUND']],
      ['existence', state, () => ({name: `${w.category.name}/members/${nobody}`}), ...NOT_FOUND]]},
  'registry.CreateEvent': {
    user: state,
    request: () => ({event_id: 'refusal-never',
      event: eventOf('Never', w.category.name, w.group, [D1])}),
    refused: [local,
      ['state', state, {event_id: 'refusal-open'}, ...EXISTS],
      ['existence', state, () => ({event: eventOf('Never', 'categories/refusal-nothing', w.group,
          [D1])}), ...NOT_FOUND],
      ['order', state, () => ({event: eventOf('Never', w.category.name, w.group, [D1],
          {start_date: day(5), end_date: day(4)})}), 'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'registry.UpdateEvent': {
    user: state,
    request: () => {
      const event = eventOf('Never', w.category.name, w.group, [D1]);
      return {event: {...event, name: w.draftEvent.name}, etag: w.draftEvent.etag,
        update_mask: {paths: [...Object.keys(event), 'snapshot_available', 'depends_on',
          'allows_zero_attestation']}};
    },
    refused: [stale(state),
      ['state', state, () => ({event: {name: w.event.name, title: 'Never'}, etag: w.event.etag,
        update_mask: {paths: ['title']}}), ...MOVE],
      ['role', ann, () => ({event: {name: w.event.name, title: 'Never'}, etag: w.event.etag,
        update_mask: {paths: ['title']}}), ...NOT_PERMITTED],
      ['hidden', ann, {}, ...NOT_FOUND],
      ['existence', state, () => ({event: {name: 'events/refusal-nothing', title: 'Never'},
        update_mask: {paths: ['title']}}), ...NOT_FOUND],
      ['reference', state, () => ({event: {name: w.draftEvent.name,
        category: 'categories/refusal-nothing'}, update_mask: {paths: ['category']}}),
      ...NOT_FOUND],
      ['mask', state, {update_mask: {paths: ['status']}}, 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['circle', state, () => ({event: {name: w.draftEvent.name, depends_on: [w.draftEvent.name]},
        update_mask: {paths: ['depends_on']}}), 'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'registry.PublishEvent': {
    user: state,
    request: () => ({name: w.draftEvent.name, etag: w.draftEvent.etag, rule_group_version: 1}),
    refused: [stale(state),
      ['state', state, () => ({name: w.event.name, etag: w.event.etag}), ...MOVE],
      ['role', ann, () => ({name: w.event.name, etag: w.event.etag}), ...NOT_PERMITTED]]},
  'registry.CloseEvent': {
    user: state,
    request: () => ({name: w.event.name, etag: w.event.etag, reason: 'Over.'}),
    reasons: {'reason missing': 'REASON_REQUIRED'},
    refused: [stale(state), local,
      ['state', state, () => ({name: w.draftEvent.name, etag: w.draftEvent.etag}), ...MOVE]]},
  'registry.DeleteEvent': {
    user: state,
    request: () => ({name: w.draftEvent.name, etag: w.draftEvent.etag}),
    refused: [stale(state),
      ['state', state, () => ({name: w.event.name, etag: w.event.etag}), ...MOVE],
      ['role', ann, () => ({name: w.event.name, etag: w.event.etag}), ...NOT_PERMITTED]]},

  'dataset.CreateDataset': {
    user: state,
    request: () => ({dataset_id: 'state_refusal_never', dataset: dataset()}),
    refused: [local, outside,
      ['state', state, {dataset_id: 'state_refusal'}, ...EXISTS],
      ['name', state, {dataset_id: 'enrollments'}, 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['word of SQL', state, () => ({dataset: {...dataset(),
        columns: [...dataset().columns, column('select')]}}), 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['code list', state, () => ({dataset: {...dataset(),
        columns: [...dataset().columns, column('kind', {type: 'TYPE_CODE', code_list: 'nothing'})]}}),
        'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'dataset.AddColumns': {
    user: state,
    request: () => ({name: w.dataset.name, columns: [column('dessert')]}),
    refused: [local, outside,
      ['existence', state, {name: 'datasets/nothing'}, ...NOT_FOUND],
      ['required', state, {columns: [column('dessert', {required: true})]},
        'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['shorter', state, {columns: [column('school', {length: 9})]},
        'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['of the product', state, {name: 'datasets/enrollment', columns: [column('dessert')]},
        'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'dataset.PutCodes': {
    user: state,
    request: () => ({code_list: 'state_refusal', codes: [{code: 'A', label: 'A'}]}),
    refused: [local, outside,
      ['not of the state', state, {code_list: 'refusal'}, 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['twice', state, {codes: [{code: 'A', label: 'A'}, {code: 'A', label: 'B'}]},
        'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['two codes', state, {codes: [{code: 'A;B', label: 'A'}]}, 'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'dataset.PushRecords': {
    user: ann,
    request: () => ({header: {dataset: 'datasets/enrollment', batch_id: newId(),
      district: `organizations/${D1}`, mode: 'MODE_UPSERT'}}),
    refused: [
      ['rights', lena, {}, ...NOT_PERMITTED],
      ['organisation', dora, {}, ...NOT_FOUND],
      ['existence', ann, () => ({header: {dataset: 'datasets/nothing', batch_id: newId(),
        district: `organizations/${D1}`, mode: 'MODE_UPSERT'}}), ...NOT_FOUND],
      ['read-only', ann, () => ({header: {dataset: 'datasets/organization', batch_id: newId(),
        district: `organizations/${D1}`, mode: 'MODE_UPSERT'}}), 'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'dataset.Resync': {
    user: ann,
    request: () => ({district: `organizations/${D1}`, datasets: ['datasets/enrollment']}),
    refused: [
      ['rights', lena, {}, ...NOT_PERMITTED],
      ['organisation', dora, {}, ...NOT_FOUND],
      ['existence', ann, {datasets: ['datasets/nothing']}, ...NOT_FOUND],
      ['twice', ann, {datasets: ['datasets/enrollment', 'datasets/enrollment']},
        'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['read-only', ann, {datasets: ['datasets/code']}, 'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'dataset.CancelResync': {
    user: ann,
    request: () => ({name: w.resync.name}),
    refused: [
      ['rights', lena, {}, ...NOT_PERMITTED],
      ['organisation', dora, {}, ...NOT_FOUND],
      ['existence', ann, {name: `resyncs/${nobody}`}, ...NOT_FOUND],
      ['state', ann, {}, ...MOVE]]},

  'validation.CreateRule': {
    user: state,
    request: () => ({rule_id: 'refusal-never', rule: rule('REFUSAL-9')}),
    refused: [local, outside,
      ['state', state, {rule: rule('REFUSAL-1')}, ...EXISTS],
      ['content', state, {rule: {...rule('REFUSAL-9'), row: {expression: 'pg_sleep(1) IS NULL'}}},
        'INVALID_ARGUMENT', 'RULE_NOT_ALLOWED'],
      ['syntax', state, {rule: {...rule('REFUSAL-9'), row: {expression: 'first_name ='}}},
        'INVALID_ARGUMENT', 'RULE_NOT_ALLOWED']]},
  'validation.ActivateRule': {
    user: state,
    request: () => ({name: w.draftRule.name, etag: w.draftRule.etag}),
    refused: [local, outside, stale(state),
      ['state', state, () => ({name: w.archivedRule.name, etag: w.archivedRule.etag}), ...MOVE],
      ['in use', state, () => ({name: w.activeRule.name, etag: w.activeRule.etag}), ...MOVE],
      ['version', state, {version: 7}, ...NOT_FOUND],
      ['existence', state, {name: 'rules/refusal-nothing'}, ...NOT_FOUND]]},
  'validation.UpdateRule': {
    user: state,
    request: () => ({rule: {...rule('REFUSAL-1'), name: w.draftRule.name, etag: w.draftRule.etag,
      title: 'Other'}}),
    refused: [local, outside,
      ['etag', state, () => ({rule: {...rule('REFUSAL-1'), name: w.draftRule.name, etag: '999999'}}),
        ...ETAG],
      ['state', state, () => ({rule: {...rule('REFUSAL-3'), name: w.archivedRule.name,
        etag: w.archivedRule.etag}}), ...MOVE],
      ['code', state, () => ({rule: {...rule('REFUSAL-9'), name: w.draftRule.name,
        etag: w.draftRule.etag}}), 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['content', state, () => ({rule: {...rule('REFUSAL-1'), name: w.draftRule.name,
        etag: w.draftRule.etag, row: {expression: 'pg_sleep(1) IS NULL'}}}),
      'INVALID_ARGUMENT', 'RULE_NOT_ALLOWED'],
      ['existence', state, {rule: {...rule('REFUSAL-1'), name: 'rules/refusal-nothing', etag: '1'}},
        ...NOT_FOUND]]},
  'validation.DeactivateRule': {
    user: state,
    request: () => ({name: w.activeRule.name, etag: w.activeRule.etag}),
    refused: [local, outside, stale(state),
      ['state', state, () => ({name: w.draftRule.name, etag: w.draftRule.etag}), ...MOVE],
      ['existence', state, {name: 'rules/refusal-nothing'}, ...NOT_FOUND]]},
  'validation.ArchiveRule': {
    user: state,
    request: () => ({name: w.draftRule.name, etag: w.draftRule.etag}),
    refused: [local, outside, stale(state),
      ['state', state, () => ({name: w.archivedRule.name, etag: w.archivedRule.etag}), ...MOVE],
      ['existence', state, {name: 'rules/refusal-nothing'}, ...NOT_FOUND]]},
  'validation.ImportRules': {
    user: state,
    request: () => ({rules_json: JSON.stringify([rule('REFUSAL-9')])}),
    refused: [local, outside,
      ['state', state, () => ({rules_json: JSON.stringify([
        rule('REFUSAL-9'), {...rule('REFUSAL-3'), title: 'Other'}])}), ...MOVE],
      ['content', state, {rules_json: JSON.stringify([
        rule('REFUSAL-9'), {...rule('REFUSAL-8'), row: {expression: 'pg_sleep(1) IS NULL'}}])},
      'INVALID_ARGUMENT', 'RULE_NOT_ALLOWED'],
      ['syntax', state, {rules_json: '['}, 'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'validation.CreateRuleGroup': {
    user: state,
    request: () => ({rule_group_id: 'refusal-never', rule_group: {
      title: 'Never', level: 'LEVEL_DISTRICT', rules: [{rule: w.activeRule.name}]}}),
    refused: [local, outside,
      ['state', state, () => ({rule_group: {title: 'Never', level: 'LEVEL_DISTRICT',
        rules: [{rule: w.archivedRule.name}]}}), 'FAILED_PRECONDITION', 'RULE_INACTIVE'],
      ['twice', state, () => ({rule_group: {title: 'Never', level: 'LEVEL_DISTRICT',
        rules: [{rule: w.activeRule.name}, {rule: w.activeRule.name}]}}),
      'INVALID_ARGUMENT', 'FIELD_INVALID']]},
  'validation.UpdateRuleGroup': {
    user: state,
    request: () => ({rule_group: {name: w.group.name, etag: w.group.etag, title: 'Other',
      level: 'LEVEL_DISTRICT', rules: [{rule: w.activeRule.name}]}}),
    refused: [local, outside,
      ['etag', state, () => ({rule_group: {...w.group, etag: '999999'}}), ...ETAG],
      ['state', state, () => ({rule_group: {...w.group, rules: [{rule: w.archivedRule.name}]}}),
        'FAILED_PRECONDITION', 'RULE_INACTIVE'],
      ['level', state, () => ({rule_group: {...w.group, level: 'LEVEL_SCHOOL'}}),
        'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['value', state, () => ({rule_group: {...w.group, rules: [
        {rule: w.activeRule.name, parameter_values: {none: '1'}}]}}),
      'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['existence', state, () => ({rule_group: {...w.group, name: 'ruleGroups/refusal-nothing'}}),
        ...NOT_FOUND]]},
  'validation.ActivateRuleGroup': {
    user: state,
    request: () => ({name: w.draftGroup.name, etag: w.draftGroup.etag}),
    refused: [local, outside, stale(state),
      ['state', state, () => ({name: w.group.name, etag: w.group.etag}), ...MOVE],
      ['existence', state, {name: 'ruleGroups/refusal-nothing'}, ...NOT_FOUND]]},
  'validation.DeactivateRuleGroup': {
    user: state,
    request: () => ({name: w.group.name, etag: w.group.etag}),
    refused: [local, outside, stale(state),
      ['state', state, () => ({name: w.draftGroup.name, etag: w.draftGroup.etag}), ...MOVE],
      ['existence', state, {name: 'ruleGroups/refusal-nothing'}, ...NOT_FOUND]]},
  'validation.CreateReport': {
    user: ann,
    request: () => ({event: w.event.name, organization: `organizations/${D1}`,
      kind: 'REPORT_KIND_STATE_DATA', format: 'REPORT_FORMAT_CSV'}),
    refused: [
      ['role', otto, () => ({event: undefined, rule_group: w.group.name}), ...NOT_PERMITTED],
      ['stranger', otto, {}, ...NOT_FOUND],
      ['organisation', dora, {}, ...NOT_FOUND],
      ['state', ann, () => ({event: w.futureEvent.name}), 'FAILED_PRECONDITION', 'WINDOW_NOT_OPEN'],
      ['existence', ann, {event: 'events/refusal-nothing'}, ...NOT_FOUND],
      ['kind', ann, {snapshot: `snapshots/${nobody}`}, 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['last year', ann, {previous_snapshot: `snapshots/${nobody}`}, ...NOT_FOUND]]},
  'validation.CancelReport': {
    user: ann,
    request: () => ({name: w.report.name}),
    refused: [
      ['organisation', dora, {}, ...NOT_FOUND],
      ['existence', ann, {name: `reports/${nobody}`}, ...NOT_FOUND],
      ['state', ann, {}, ...MOVE]]},
  'validation.RetryReport': {
    user: ann,
    request: () => ({name: w.report.name}),
    refused: [
      ['organisation', dora, {}, ...NOT_FOUND],
      ['existence', ann, {name: `reports/${nobody}`}, ...NOT_FOUND],
      ['state', ann, {}, ...MOVE]]},

  'validation.ExplainFindings': {
    user: ann,
    request: () => ({report: w.report.name, rule: w.activeRule.name, text: 'It is right.'}),
    refused: [
      ['role', state, {}, ...NOT_PERMITTED],
      ['organisation', dora, {}, ...NOT_FOUND],
      ['stranger', otto, {}, ...NOT_FOUND],
      ['existence', ann, {report: `reports/${nobody}`}, ...NOT_FOUND],
      ['target', ann, {rule: 'rules/refusal-nothing'}, ...NOT_FOUND]]},
  'validation.WaiveFinding': {
    user: state,
    request: () => ({report: w.report.name, group: '0'.repeat(32), until_date: day(5),
      reason: 'The rule is wrong.'}),
    reasons: {'reason missing': 'REASON_REQUIRED'},
    refused: [
      local,
      ['stranger', sten, {}, ...NOT_PERMITTED],
      ['day', state, {until_date: day(-2)}, 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['existence', state, {report: `reports/${nobody}`}, ...NOT_FOUND],
      ['target', state, {}, ...NOT_FOUND]]},
  'validation.RevokeWaiver': {
    user: state,
    request: () => ({name: `waivers/${nobody}`, reason: 'The rule was right.'}),
    reasons: {'reason missing': 'REASON_REQUIRED'},
    refused: [
      ['existence', state, {}, ...NOT_FOUND],
      ['outsider', ann, {}, ...NOT_FOUND]]},

  'snapshot.CreateSnapshot': {
    user: state,
    request: () => ({event: w.event.name, organization: `organizations/${D1}`}),
    refused: [
      ['role', ann, {}, ...NOT_PERMITTED],
      ['organisation', dora, {}, ...NOT_FOUND],
      ['state', state, () => ({event: w.futureEvent.name}), 'FAILED_PRECONDITION',
        'WINDOW_NOT_OPEN'],
      ['retake', state, {retake_of: `snapshots/${nobody}`}, 'FAILED_PRECONDITION',
        'SNAPSHOT_MISMATCH'],
      ['existence', state, {event: 'events/refusal-nothing'}, ...NOT_FOUND]]},

  'workflow.StartCertification': onCertification(ann, () => ({}), [
    ['role', state, {}, ...NOT_PERMITTED],
    ['state', dora, () => ({certification: w.exempt.name}), ...MOVE]]),
  'workflow.GenerateStepReport': onCertification(ann,
      () => ({step: 1, format: 'REPORT_FORMAT_HTML'}), [
        ['role', state, {}, ...NOT_PERMITTED],
        ['state', dora, () => ({certification: w.exempt.name}), ...MOVE],
        ['order', ann, {step: 2}, 'FAILED_PRECONDITION', 'STEP_NOT_COMPLETED'],
        ['range', ann, {step: 4}, 'INVALID_ARGUMENT', 'FIELD_INVALID']]),
  'workflow.TakeSnapshot': onCertification(ann, withEtag({format: 'REPORT_FORMAT_HTML'}), [
    ['role', state, {}, ...NOT_PERMITTED], stale(ann), inExempt(dora),
    ['order', ann, {}, 'FAILED_PRECONDITION', 'STEP_NOT_COMPLETED']]),
  'workflow.RetakeSnapshot': onCertification(ann, withEtag({format: 'REPORT_FORMAT_HTML'}), [
    ['role', state, {}, ...NOT_PERMITTED], stale(ann), inExempt(dora)]),
  'workflow.SubmitCertification': onCertification(ann,
      withEtag({snapshot: `snapshots/${nobody}`, attestation_text_version: 1}), [
        ['role', rita, {}, ...NOT_PERMITTED], stale(ann), inExempt(dora),
        ['order', ann, {}, 'FAILED_PRECONDITION', 'STEP_NOT_COMPLETED']]),
  'workflow.RequestRecertification': {
    ...onCertification(ann, withEtag({reason: 'Wrong.'}), [
      ['role', rita, {}, ...NOT_PERMITTED], stale(ann), inExempt(dora),
      ['early', ann, {}, ...MOVE]]),
    reasons: {'reason missing': 'REASON_REQUIRED'}},
  'workflow.WithdrawRecertificationRequest': onCertification(ann, withEtag(), [
    stale(ann), inExempt(dora), ['early', ann, {}, ...MOVE]]),
  'workflow.ApproveCertification': onCertification(state,
      withEtag({snapshot: `snapshots/${nobody}`, reason: 'By hand.'}), [
        ['role', ann, {}, ...NOT_PERMITTED], ['member', sten, {}, ...NOT_PERMITTED], stale(state), inExempt(state),
        ['reason', state, {reason: ''}, 'INVALID_ARGUMENT', 'REASON_REQUIRED']]),
  'workflow.ReturnForRecertification': {
    ...onCertification(state, withEtag({reason: 'Wrong.', due: day(7)}), [
      ['role', ann, {}, ...NOT_PERMITTED], ['member', sten, {}, ...NOT_PERMITTED], stale(state), inExempt(state),
      ['early', state, {}, ...MOVE],
      ['past', state, {due: day(-1)}, 'INVALID_ARGUMENT', 'FIELD_INVALID'],
      ['date', state, {due: {year: 2026, month: 2, day: 30}}, 'INVALID_ARGUMENT', 'FIELD_INVALID']]),
    reasons: {'reason missing': 'REASON_REQUIRED'}},
  'workflow.DenyRecertificationRequest': {
    ...onCertification(state, withEtag({reason: 'No.'}), [
      ['role', ann, {}, ...NOT_PERMITTED], ['member', sten, {}, ...NOT_PERMITTED], stale(state), inExempt(state),
      ['early', state, {}, ...MOVE]]),
    reasons: {'reason missing': 'REASON_REQUIRED'}},
  'workflow.CancelRecertification': {
    ...onCertification(state, withEtag({reason: 'No.'}), [
      ['role', ann, {}, ...NOT_PERMITTED], ['member', sten, {}, ...NOT_PERMITTED], stale(state), inExempt(state),
      ['early', state, {}, ...MOVE]]),
    reasons: {'reason missing': 'REASON_REQUIRED'}},
  'workflow.ExemptParticipant': {
    ...onCertification(state, withEtag({reason: 'Closed.'}), [
      ['role', ann, {}, ...NOT_PERMITTED], stale(state), inExempt(state)]),
    reasons: {'reason missing': 'REASON_REQUIRED'}},

  'notification.MarkRead': {
    user: ann,
    request: () => ({name: w.message.name}),
    refused: [
      ['organisation', dora, {}, ...NOT_FOUND],
      ['role', rita, {}, ...NOT_FOUND],
      ['existence', ann, {name: `users/${ann}/messages/${nobody}`}, ...NOT_FOUND]]},
  'notification.Dismiss': {
    user: ann,
    request: () => ({name: w.message.name}),
    refused: [
      ['organisation', dora, {}, ...NOT_FOUND],
      ['role', rita, {}, ...NOT_FOUND],
      ['existence', ann, {name: `users/${ann}/messages/${nobody}`}, ...NOT_FOUND]]},
};

// --- Cases that are made from the protos --------------------------------------------------------

const clone = (value) => structuredClone(value);

// [title, changed request, path of the field] for each field that its comment restricts.
function fieldCases(type, request, prefix = []) {
  const cases = [];
  const at = (root) => prefix.reduce((value, name) => (Array.isArray(value[name]) ? value[name][0]
      : value[name]), root);
  const changed = (change) => {
    const copy = clone(request);
    change(at(copy));
    return copy;
  };
  const here = at(request);
  for (const field of type.fieldsArray) {
    field.resolve();
    const comment = field.comment ?? '';
    if (['request_id', 'page_token'].includes(field.name) || comment.startsWith('Output only')) continue;
    // Of a choice, BadRequest may name the choice.
    const path = field.partOf ? undefined : [...prefix, field.name].join('.');
    const name = [...prefix, field.name].join('.');
    const required = comment.startsWith('Required');
    const given = here[field.name] !== undefined && here[field.name].length !== 0;
    if (field.partOf && !given) continue;
    if (required) {
      cases.push([`${name} missing`, changed((value) => { delete value[field.name]; }), path]);
    }
    const set = (title, value) =>
      cases.push([`${name} ${title}`, changed((holder) => {
        holder[field.name] = field.repeated ? [value] : value;
      }), path]);
    if (field.type === 'string' && !field.map) {
      const [, most] = comment.match(/(?:at most|\d to) (\d+)/) ?? [];
      if (most) set('oversized', 'x'.repeat(Number(most) + 1));
      const names = comment.match(/`([a-zA-Z]+)\/\{/);
      if (names && !field.name.endsWith('etag')) {
        set('malformed', `${names[1]}/Not A Name`);
        set('of another kind', 'things/one');
        set('oversized name', `${names[1]}/${'x'.repeat(300)}`);
      }
      if (/\(UUID\)|UUID of/.test(comment)) set('malformed', 'no-uuid');
      if (required) set('with NUL', 'a\u0000b');
    } else if (field.resolvedType instanceof protobuf.Enum) {
      set('unknown', 99);
    } else if (field.resolvedType instanceof protobuf.Type && given && !field.map) {
      cases.push(...fieldCases(field.resolvedType, request, [...prefix, field.name]));
    }
  }
  return cases;
}

const publicKey = () =>
  crypto.createPublicKey(fs.readFileSync(cluster().auth.user_key_file))
      .export({type: 'spki', format: 'pem'});
const strangeKey = crypto.generateKeyPairSync('ec', {namedCurve: 'P-256'}).privateKey;
const now = () => Math.floor(Date.now() / 1000);

// Metadata of a call whose token is none.
function tokenCases(user) {
  const subject = `users/${user}`;
  const bearer = (token) => ({authorization: `Bearer ${token}`});
  const hmac = (text) => crypto.createHmac('sha256', publicKey()).update(text).digest();
  return [
    ['no token', {}],
    ['an expired token', bearer(makeToken(subject, {claims: {iat: now() - 7200, exp: now() - 3600}}))],
    ['an HS256 token signed with the public key',
      bearer(makeToken(subject, {head: {alg: 'HS256'}, sign: hmac}))],
    ['a token without a signature',
      bearer(makeToken(subject, {head: {alg: 'none'}, sign: () => Buffer.alloc(0)}))],
    ['a token of a strange key', bearer(makeToken(subject, {key: strangeKey}))],
    ['a token for another audience', bearer(makeToken(subject, {claims: {aud: 'other'}}))],
    ['a service\'s token as a user\'s', bearer(serviceToken('workflow'))],
  ];
}

// --- Sending ------------------------------------------------------------------------------------

const streaming = new Set(methods().filter(({method}) => method.requestStream).map(({key}) => key));

// The request id belongs into the header of an upload.
function withRequestId(key, request, request_id) {
  return streaming.has(key) ? {...request, header: {request_id, ...request.header}}
    : {request_id, ...request};
}

const sendIt = (caller, key, request) =>
  (streaming.has(key) ? upload(caller, key, [request]) : call(caller, key, request));

async function expectRefusal(what, caller, key, request, code, reason, field) {
  const error = await sendIt(caller, key, request).then(() => undefined, (thrown) => thrown);
  assert.ok(error instanceof Refusal, `${key}, ${what}: it was accepted`);
  const codes = [code].flat();
  const reasons = [reason].flat();
  assert.ok(codes.includes(error.code) && reasons.includes(error.reason),
      `${key}, ${what}: ${codes} ${reasons} expected, got ${error.message}`);
  assert.equal(error.domain, 'edcert', `${key}, ${what}`);
  if (field && error.reason === 'FIELD_INVALID') {
    const fields = error.violations.map((violation) => violation.field.replaceAll(/\[\d+\]/g, ''));
    assert.ok(fields.some((name) => name === field || field.startsWith(`${name}.`) ||
        name.startsWith(`${field}.`)), `${key}, ${what}: BadRequest names ${fields}, not ${field}`);
  }
}

const mutating = methods().filter((row) => row.mutating);

test('the table names every mutating RPC, and no other', () => {
  assert.deepEqual(Object.keys(TABLE).toSorted(), mutating.map(({key}) => key).toSorted());
});

for (const {key, service, policy, request: type} of mutating) {
  const row = TABLE[key];
  if (!row) continue;  // the test above says so
  test(key, {timeout: 60_000}, async () => {
    await feedsAreRead();
    const schema = SCHEMAS[SERVICES[service][0]];
    const request = row.request();
    const full = () => withRequestId(key, request, newId());
    const failures = [];
    const expect = (...words) => expectRefusal(...words).catch((error) => failures.push(error.message));

    // The id of a request that had other content.
    const used = newId();
    const method = `${SERVICES[service][1]}/${key.split('.')[1]}`;
    await sql(`INSERT INTO ${schema}.idempotency (principal, method, request_id, request_sha256,
      response) VALUES (${quote(`users/${row.user}`)}, ${quote(method)}, ${quote(used)},
      sha256('other content'), '')`);

    const before = await stored();
    for (const [what, metadata] of tokenCases(row.user)) {
      await expect(what, metadata, key, full(), 'UNAUTHENTICATED', 'UNAUTHENTICATED');
    }
    if (policy.caller === 'USER') {
      await expect('a service without a user',
          {'x-service-authorization': `Bearer ${serviceToken('notification')}`}, key, full(),
          ...NOT_PERMITTED);
    }
    for (const [what, id] of [['no request id', ''], ['a malformed request id', 'not-a-uuid']]) {
      await expect(what, row.user, key, withRequestId(key, request, id),
          'INVALID_ARGUMENT', 'FIELD_INVALID',
          streaming.has(key) ? 'header.request_id' : 'request_id');
    }
    await expect('a used request id', row.user, key, withRequestId(key, request, used),
        'INVALID_ARGUMENT', 'REQUEST_ID_REUSED');
    for (const [what, changed, field] of fieldCases(type, request)) {
      await expect(what, row.user, key, withRequestId(key, changed, newId()), 'INVALID_ARGUMENT',
          row.reasons?.[what] ?? 'FIELD_INVALID', field);
    }
    for (const [what, user, changes, code, reason] of row.refused) {
      const changed = typeof changes === 'function' ? changes() : changes;
      await expect(what, user, key, withRequestId(key, {...request, ...changed}, newId()), code, reason);
    }
    const after = await stored();
    const touched = Object.keys(after).filter((table) => after[table] !== before[table]);
    if (touched.length > 0) failures.push(`${key} left something in ${touched.join(', ')}`);
    assert.equal(failures.length, 0, `\n  ${failures.join('\n  ')}`);
  });
}
