// The running cluster: its addresses, keys, database and processes, as cluster.json lists them.
import {execFile, execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

if (!process.env.EDCERT_CLUSTER) {
  throw new Error('EDCERT_CLUSTER is not set; run this through tools/cluster.py run');
}

// Read anew each time: a process that was started again has another pid.
export function cluster() {
  return JSON.parse(fs.readFileSync(process.env.EDCERT_CLUSTER, 'utf8'));
}

export const SCHEMAS = {
  event_registry: 'registry',
  dataset: 'dataset',
  validation_report: 'validation',
  snapshot: 'snapshot',
  workflow: 'workflow',
  notification: 'notification',
};

const run = promisify(execFile);

// The rows of a statement, each a list of texts.
export async function sql(statement) {
  const {stdout} = await run('psql', ['-X', '-q', '-A', '-t', '-F', '\t', '-v', 'ON_ERROR_STOP=1',
    '-d', cluster().postgres.superuser_conninfo, '-c', statement], {maxBuffer: 64 << 20});
  return stdout.split('\n').filter((line) => line !== '').map((line) => line.split('\t'));
}

export async function sqlNumber(statement) {
  return Number((await sql(statement))[0][0]);
}

export function quote(text) {
  return `'${String(text).replaceAll("'", "''")}'`;
}

// Runs a verb of tools/cluster.py on this cluster.
export async function clusterPy(...words) {
  await run('python3', [path.join(root, 'tools/cluster.py'), ...words]);
}

// Looks again until `look` gives something true, and returns that. A look that throws is a look that
// gave nothing.
export async function waitFor(what, look, seconds = 60) {
  const deadline = performance.now() + seconds * 1000;
  let error;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      error = undefined;
    } catch (thrown) {
      error = thrown;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${seconds} s for: ${what}`, {cause: error});
    }
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

// Who reads whose feed to make what people see.
const READERS = [['dataset', 'event_registry'], ['workflow', 'event_registry'],
  ['notification', 'event_registry'], ['notification', 'workflow'],
  ['notification', 'validation_report']];

// All in one statement, which sees one moment: nothing waits for its position, and no reader is
// behind.
const FEEDS_ARE_READ = `SELECT ${[
  ...Object.values(SCHEMAS).map((schema) =>
    `NOT EXISTS (SELECT FROM ${schema}.change WHERE position IS NULL)`),
  ...READERS.map(([reader, service]) =>
    `coalesce((SELECT max(position) FROM ${SCHEMAS[service]}.change), 0) <=
     coalesce((SELECT max(position) FROM ${SCHEMAS[reader]}.feed_cursor
                WHERE feed = '${service}' OR feed LIKE '${service}/%'), 0)`),
].join(' AND ')}`;

export async function feedsAreRead() {
  await waitFor('all feeds to be read', async () => (await sql(FEEDS_ARE_READ))[0][0] === 't');
}

// What is stored, table by table: the number of rows and the sum of the transactions that wrote
// them, so that an update shows too. Left out are cursors and hints, which move by themselves, and
// when a command first arrived, which is kept whatever becomes of it.
export async function stored() {
  const rows = await sql(`
    SELECT table_schema || '.' || table_name, array_to_string(xpath('//a/text() | //b/text()', query_to_xml(
      format('SELECT count(*) AS a, coalesce(sum(xmin::text::bigint), 0) AS b FROM %I.%I',
        table_schema, table_name), false, false, ''))::text[], '/')
    FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_name NOT IN ('feed_cursor', 'job', 'command_arrival') AND
      table_schema IN (${Object.values(SCHEMAS).map(quote).join(', ')})
    ORDER BY 1`);
  return Object.fromEntries(rows);
}

// The process ids below one process, itself first.
export function processTree(pid) {
  const children = new Map();
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = fs.readFileSync(`/proc/${entry}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z') continue;
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended while we looked.
    }
  }
  const tree = [pid];
  for (let i = 0; i < tree.length; ++i) tree.push(...(children.get(tree[i]) ?? []));
  return tree;
}

// The worker processes of one replica: the leaves below its server process.
export function workersOf(name) {
  const [server, parent, ...workers] = processTree(cluster().processes[name].pid);
  return {server, parent, workers};
}

export function isAlive(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

// Kills a replica with all its processes at once, as the loss of its machine would.
export function killReplica(name) {
  for (const pid of processTree(cluster().processes[name].pid)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended with its parent.
    }
  }
}

// Makes a district as CSV files with its ground truth.
export function generate(folder, ...options) {
  execFileSync('python3', [path.join(root, 'tools/generate/generate.py'), '--out', folder,
    ...options], {stdio: 'ignore'});
}

export function readCsv(file) {
  const lines = fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, '').split('\n')
      .filter((line) => line !== '').map((line) => line.replace(/\r$/, ''));
  if (lines.some((line) => line.includes('"'))) throw new Error(`${file} has quoted values`);
  const columns = lines[0].split(',');
  return lines.slice(1).map((line) => {
    const values = line.split(',');
    return Object.fromEntries(columns.map((column, i) => [column, values[i]]));
  });
}
