// Empty jobs through BullMQ on a Redis: how many a second two workers do.
//
//   node bullmq.mjs HOST:PORT WORKERS JOBS
//
// Each worker is a process that does one job at a time, as the workers of reports do. The jobs wait
// before they begin. Prints one line of JSON.
import {fork} from 'node:child_process';
import {once} from 'node:events';
import {Queue, Worker} from 'bullmq';
import {Redis} from 'ioredis';

const [address, workers, jobs, role] = process.argv.slice(2);
const [host, port] = address.split(':');
const connection = new Redis({host, port: Number(port), maxRetriesPerRequest: null});
const name = 'bench';

if (role === 'worker') {
  const worker = new Worker(name, async () => {}, {connection, autorun: false});
  await worker.waitUntilReady();
  process.send('ready');
  await once(process, 'message');
  worker.run();
} else {
  const queue = new Queue(name, {connection});
  for (let done = 0; done < jobs; done += 500) {
    const count = Math.min(500, jobs - done);
    await queue.addBulk(Array.from({length: count}, () => ({name: 'nothing', data: {}})));
  }
  const children = Array.from({length: workers}, () =>
    fork(process.argv[1], [address, workers, jobs, 'worker']));
  await Promise.all(children.map((child) => once(child, 'message')));
  const began = process.hrtime.bigint();
  for (const child of children) child.send('go');
  while (await queue.getCompletedCount() < jobs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  for (const child of children) child.kill('SIGKILL');
  await queue.obliterate({force: true});
  console.log(JSON.stringify({seconds, jobs: Number(jobs)}));
  process.exit(0);
}
