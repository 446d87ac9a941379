// An independent client: tokens of its own making, calls balanced over both replicas, errors with
// their details.
import crypto from 'node:crypto';
import fs from 'node:fs';
import grpc from '@grpc/grpc-js';
import {cluster} from './cluster.mjs';
import {clientClass, details, Health, Reflection, SERVICES} from './protos.mjs';

const auth = cluster().auth;
const base64url = (data) => Buffer.from(data).toString('base64url');

// A JWT. Claims replace the usual ones; one that is undefined is left out.
export function makeToken(subject, {claims = {}, head = {}, key, sign} = {}) {
  const now = Math.floor(Date.now() / 1000);
  const body = {
    iss: auth.issuer, aud: auth.audience, sub: subject, iat: now, exp: now + 3600,
    jti: crypto.randomUUID(), auth_time: now, amr: ['pwd', 'otp'], ...claims};
  const header = {alg: 'ES256', typ: 'JWT', kid: auth.user_key_id, ...head};
  const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(body))}`;
  const signature = sign ? sign(text) : crypto.sign('sha256', Buffer.from(text), {
    key: key ?? fs.readFileSync(auth.user_key_file), dsaEncoding: 'ieee-p1363'});
  return `${text}.${base64url(signature)}`;
}

export function serviceToken(service) {
  return makeToken(`services/${service}`, {
    key: fs.readFileSync(auth.service_key_files[service]), head: {kid: `services/${service}`}});
}

const tokens = new Map();
function tokenOf(user) {
  if (!tokens.has(user)) tokens.set(user, makeToken(`users/${user}`));
  return tokens.get(user);
}

// An error answer, with what grpc-status-details-bin says.
export class Refusal extends Error {
  constructor(method, error) {
    super(`${method}: ${grpc.status[error.code]} ${error.details}`);
    this.method = method;
    this.code = grpc.status[error.code];
    this.reason = '';
    this.metadata = {};
    this.violations = [];
    const [raw] = error.metadata?.get('grpc-status-details-bin') ?? [];
    if (!raw) return;
    const status = details.lookupType('google.rpc.Status').decode(raw);
    for (const any of status.details) {
      const type = details.lookupType(any.type_url.split('/').pop());
      const detail = type.toObject(type.decode(any.value), {defaults: true, longs: Number});
      if (type.name === 'ErrorInfo') {
        this.reason = detail.reason;
        this.domain = detail.domain;
        this.metadata = detail.metadata;
      } else if (type.name === 'BadRequest') {
        this.violations = detail.fieldViolations;
      } else if (type.name === 'RetryInfo') {
        this.retryDelay = detail.retryDelay;
      }
    }
    this.message = `${method}: ${this.code} ${this.reason} ${error.details}`;
  }
}

const SERVICE_CONFIG = JSON.stringify({loadBalancingConfig: [{round_robin: {}}]});

const channels = new Map();
function channel(key, target, Client) {
  if (!channels.has(key)) {
    channels.set(key, new Client(target, grpc.credentials.createInsecure(), {
      'grpc.service_config': SERVICE_CONFIG, 'grpc.enable_retries': 0,
      // Our own connections, not those of another client in this process.
      'grpc.use_local_subchannel_pool': 1, 'grpc.max_reconnect_backoff_ms': 500,
      'grpc.initial_reconnect_backoff_ms': 50}));
  }
  return channels.get(key);
}

export function addressesOf(service) {
  return cluster().services[SERVICES[service][0]].addresses;
}

function clientOf(service, address) {
  const target = `ipv4:${address ?? addressesOf(service).join(',')}`;
  return channel(`${service} ${target}`, target, clientClass(service));
}

export const healthOf = (address) => channel(`health ${address}`, `ipv4:${address}`, Health);
export const reflectionOf = (address) =>
  channel(`reflection ${address}`, `ipv4:${address}`, Reflection);

export function closeAll() {
  for (const client of channels.values()) client.close();
  channels.clear();
}

function metadataOf(caller) {
  const metadata = new grpc.Metadata();
  if (typeof caller === 'string') {
    metadata.set('authorization', `Bearer ${tokenOf(caller)}`);
  } else {
    for (const [name, value] of Object.entries(caller)) metadata.set(name, value);
  }
  return metadata;
}

const DEADLINE_SECONDS = 30;
const deadline = (seconds = DEADLINE_SECONDS) => ({deadline: Date.now() + seconds * 1000});

// Calls a unary RPC, as in call('ann', 'workflow.GetCertification', {name}). The caller is a user's
// id, or an object of metadata.
export function call(caller, key, request, {address, seconds} = {}) {
  const [service, method] = key.split('.');
  return new Promise((resolve, reject) => {
    clientOf(service, address)[method](request, metadataOf(caller), deadline(seconds),
        (error, answer) => (error ? reject(new Refusal(key, error)) : resolve(answer)));
  });
}

// Reads a server stream to its end, or until `enough` says so of a message.
export function stream(caller, key, request, {address, seconds, enough, onMessage} = {}) {
  const [service, method] = key.split('.');
  return new Promise((resolve, reject) => {
    const messages = [];
    let done = false;
    const reading = clientOf(service, address)[method](request, metadataOf(caller),
        deadline(seconds));
    reading.on('data', (message) => {
      messages.push(message);
      onMessage?.(message);
      if (enough?.(message)) {
        done = true;
        reading.cancel();
        resolve(messages);
      }
    });
    reading.on('error', (error) => (done ? undefined : reject(new Refusal(key, error))));
    reading.on('end', () => resolve(messages));
  });
}

// Sends the parts of a client stream.
export function upload(caller, key, parts, {address, seconds} = {}) {
  const [service, method] = key.split('.');
  return new Promise((resolve, reject) => {
    const writing = clientOf(service, address)[method](metadataOf(caller), deadline(seconds),
        (error, answer) => (error ? reject(new Refusal(key, error)) : resolve(answer)));
    writing.on('error', () => {});
    for (const part of parts) writing.write(part);
    writing.end();
  });
}

// All entries of a list, page by page.
export async function list(caller, key, request, field) {
  const entries = [];
  let page_token = '';
  do {
    const page = await call(caller, key, {page_size: 1000, ...request, page_token});
    entries.push(...page[field]);
    page_token = page.next_page_token;
  } while (page_token);
  return entries;
}

export const newId = () => crypto.randomUUID();
