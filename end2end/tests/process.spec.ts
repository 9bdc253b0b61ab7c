// The program as a process: it dies at any moment and has what it said it saved; and it says why when it can't start.

import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Postroom, type Saved, runPostroom } from '../support/postroom.ts';
import { expect, test } from '../support/test.ts';

test('whatever was acknowledged survives being killed, at any moment', async ({}, info) => {
  test.setTimeout(120_000);
  const rounds = 12;
  const writers = 4;
  const postroom = await Postroom.start();
  /** What each writer was last told is saved. */
  const acknowledged: { saved: Saved; timeout: number }[] = [];
  for (let writer = 0; writer < writers; writer += 1) {
    acknowledged.push({ saved: await postroom.create({ name: `writer-${writer}`, timeout_ms: 1000 }), timeout: 1000 });
  }
  let saves = 0;
  for (let round = 0; round < rounds; round += 1) {
    let killed = false;
    const work = acknowledged.map(async (last) => {
      while (!killed) {
        try {
          last.saved = await postroom.save(last.saved, { timeout_ms: last.timeout + 1 });
          last.timeout += 1;
          saves += 1;
        } catch {
          return;
        }
      }
    });
    // Later each time, and never at the same point of a save.
    await new Promise((resolve) => setTimeout(resolve, 60 + round * 23 + Math.random() * 20));
    await postroom.kill();
    killed = true;
    await Promise.all(work);
    await postroom.restart();
    for (const last of acknowledged) {
      const { version, server } = await postroom.get(last.saved.id);
      // The acknowledged one, or the one that was under way and just made it; never an older one, never a mixture.
      expect([last.saved.version, last.saved.version + 1]).toContain(version);
      expect(server?.timeout_ms).toBe(last.timeout + (version - last.saved.version));
      last.timeout = server?.timeout_ms ?? 0;
      last.saved = { id: last.saved.id, version };
    }
  }
  expect(saves, 'the test must save a lot to mean something').toBeGreaterThan(rounds * writers * 2);
  info.annotations.push({ type: 'count', description: `${saves} acknowledged saves, ${rounds} kills, none lost` });
  console.log(`${saves} acknowledged saves, ${rounds} kills, none lost`);
  await postroom.remove();
});

test('a trashing survives being killed, and so does the way back', async ({ postroom }) => {
  const { id } = await postroom.create({ name: 'mail', username: 'anna', password: { value: 'x' } });
  const { batch } = await postroom.api<{ batch: number }>('servers/trash', { ids: [id] });
  await postroom.kill();
  await postroom.restart();
  await expect(postroom.get(id)).rejects.toMatchObject({ status: 404 });
  await postroom.api('servers/undo', { batch });
  expect((await postroom.get(id)).server).toMatchObject({ has_password: true, default: true });
});

test('SIGTERM and Ctrl-C end it well', async ({ postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  expect(await postroom.stop('SIGTERM')).toBe(0);
  await postroom.restart();
  expect(await postroom.stop('SIGINT')).toBe(0);
  await postroom.restart();
  expect((await postroom.get(id)).name).toBe('mail');
});

test('SIGTERM cancels a test whose message was not begun, and still answers for it', async ({ postroom }) => {
  let connected = () => {};
  const reached = new Promise<void>((resolve) => (connected = resolve));
  const silent = createServer(() => connected());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const server = { name: 'slow', host: '127.0.0.1', port, timeout_ms: 60_000 };
  const report = postroom.api<{ headline: string }>('servers/test', { server, check_only: true });
  await reached;
  const ended = postroom.stop('SIGTERM');
  expect((await report).headline).toContain('Cancelled. No message was sent');
  expect(await ended).toBe(0);
  silent.close();
});

test('what keeps it from starting is one sentence and an exit code', async ({ postroom }, info) => {
  const one = (stderr: string) => stderr.trim().split('\n').filter((line) => line.startsWith('postroom: '));
  const { port } = new URL(postroom.url);
  const other = info.outputPath('other');

  const taken = await runPostroom(['serve', '--addr', `127.0.0.1:${port}`, '--data-dir', other]);
  expect(taken.code).toBe(14);
  expect(one(taken.stderr)).toEqual([expect.stringContaining(`Another program listens on 127.0.0.1:${port}`)]);

  const inUse = await runPostroom(['serve', '--addr', '127.0.0.1:0', '--data-dir', postroom.dataDir]);
  expect(inUse.code).toBeGreaterThan(0);
  expect(one(inUse.stderr)).toHaveLength(1);
  expect(one(inUse.stderr)[0]).toContain(postroom.dataDir);
  // The first one goes on.
  await postroom.create({ name: 'still' });

  const open = await runPostroom(['serve', '--addr', '0.0.0.0:0', '--data-dir', other]);
  expect(open.code).toBeGreaterThan(0);
  expect(one(open.stderr)).toEqual([expect.stringContaining('--tls-cert')]);

  const file = info.outputPath('file');
  await writeFile(file, 'x');
  const notADirectory = await runPostroom(['serve', '--addr', '127.0.0.1:0', '--data-dir', join(file, 'data')]);
  expect(notADirectory.code).toBeGreaterThan(0);
  expect(one(notADirectory.stderr)).toHaveLength(1);
});

test('a database that is empty, cut or somebody else\'s is refused and left as it is', async ({ postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await postroom.stop();
  const before = await postroom.files();
  const [path, bytes] = [...before].find(([name]) => name.endsWith('.redb')) ?? [];
  if (!path || !bytes) throw new Error(`no database among ${[...before.keys()].join(', ')}`);
  for (const [what, damaged] of [
    ['empty', Buffer.alloc(0)],
    ['cut', bytes.subarray(0, bytes.length / 2)],
    ['somebody else\'s', Buffer.from('SQLite format 3\0 and so on '.repeat(200))],
  ] as const) {
    await writeFile(path, damaged);
    const ended = await runPostroom(['serve', '--addr', '127.0.0.1:0', '--data-dir', postroom.dataDir]);
    expect(ended.code, what).toBeGreaterThan(0);
    expect(ended.stderr, what).toContain(path);
    expect(ended.stderr, what).not.toContain('panicked');
    expect((await postroom.files()).get(path)?.equals(damaged), `${what}: untouched`).toBe(true);
  }
  await writeFile(path, bytes);
  await postroom.restart();
  expect((await postroom.get(id)).name).toBe('mail');
});

test('the binary carries everything: it runs from anywhere', async ({ page, postroom, complaints }) => {
  const requests: string[] = [];
  page.on('response', (response) => requests.push(`${response.status()} ${new URL(response.url()).pathname} ${response.headers()['content-encoding'] ?? '-'} ${response.headers()['cache-control'] ?? '-'}`));
  await page.goto(postroom.url);
  await page.waitForLoadState('networkidle');
  expect(complaints.unexpected()).toEqual([]);
  const assets = requests.filter((request) => request.includes(' /assets/'));
  expect(assets.length).toBeGreaterThanOrEqual(3);
  for (const asset of assets) expect(asset).toMatch(/^200 \/assets\/\w+\.[0-9a-f]{16}\.\w+ (br|-) public, max-age=31536000, immutable$/);
  expect(assets.filter((asset) => asset.includes('.wasm br'))).toHaveLength(1);
  expect(requests.find((request) => request.startsWith('200 / '))).toContain('no-store');
});
