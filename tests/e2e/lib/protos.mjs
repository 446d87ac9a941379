// The protos of the tree: for calling (proto-loader) and for looking at (protobufjs).
import fs from 'node:fs';
import path from 'node:path';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import {root} from './cluster.mjs';

const folder = path.join(root, 'protos');
const library = '/usr/share/grpc-proto';  // of the package grpc-proto

// Short name, folder of the service, full name of the service, file.
export const SERVICES = {
  registry: ['event_registry', 'edcert.registry.v1.EventRegistry', 'registry/v1/event_registry'],
  dataset: ['dataset', 'edcert.dataset.v1.Datasets', 'dataset/v1/dataset'],
  validation: ['validation_report', 'edcert.validation.v1.ValidationReports',
    'validation/v1/validation_report'],
  snapshot: ['snapshot', 'edcert.snapshot.v1.Snapshots', 'snapshot/v1/snapshot'],
  workflow: ['workflow', 'edcert.workflow.v1.Workflow', 'workflow/v1/workflow'],
  notification: ['notification', 'edcert.notification.v1.Notifications',
    'notification/v1/notification'],
};

// Every proto below protos/edcert, so that a new service cannot be forgotten here.
export const files = fs.readdirSync(path.join(folder, 'edcert'), {recursive: true})
    .filter((file) => file.endsWith('.proto')).map((file) => path.join(folder, 'edcert', file));

const OPTIONS = {keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true};

const loaded = grpc.loadPackageDefinition(
    loader.loadSync(files, {...OPTIONS, includeDirs: [folder]}));
const tools = grpc.loadPackageDefinition(loader.loadSync(
    ['grpc/health/v1/health.proto', 'grpc/reflection/v1alpha/reflection.proto'],
    {...OPTIONS, includeDirs: [library]}));

export const Health = tools.grpc.health.v1.Health;
export const Reflection = tools.grpc.reflection.v1alpha.ServerReflection;

export function clientClass(service) {
  return SERVICES[service][1].split('.').reduce((scope, name) => scope[name], loaded);
}

// Descriptors, with the comments that say what is required.
export const types = new protobuf.Root();
types.resolvePath = (_, target) => {
  if (protobuf.common.get(target)) return target;
  return path.isAbsolute(target) ? target : path.join(folder, target);
};
types.loadSync(files, {keepCase: true, alternateCommentMode: true});
types.resolveAll();

export const details = protobuf.loadSync(path.join(root, 'tests/e2e/lib/details.proto'));

const byFullName = new Map(Object.entries(SERVICES).map(([short, row]) => [row[1], short]));

// Every method of every service: {service, name, key, method, policy, mutating}.
export function methods() {
  const found = [];
  const walk = (scope) => {
    for (const child of scope.nestedArray ?? []) {
      if (child instanceof protobuf.Service) {
        const service = byFullName.get(child.fullName.slice(1));
        if (!service) throw new Error(`${child.fullName} is no known service`);
        for (const method of child.methodsArray) {
          const policy = (method.parsedOptions ?? [])
              .map((option) => option['(edcert.type.rpc_policy)']).find((value) => value);
          found.push({
            service, name: method.name, key: `${service}.${method.name}`, method, policy,
            request: method.resolvedRequestType,
            mutating: ['COMMAND', 'START_JOB'].includes(policy?.call_class) ||
                Boolean(method.requestStream)});
        }
      }
      walk(child);
    }
  };
  walk(types);
  return found;
}
