// Sending for applications: by HTTP and from a shell, against a third party's SMTP server, and what Messages tells of it.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Gate } from '../support/mail.ts';
import { run, submit, submitParts, submitToken } from '../support/sending.ts';
import { expect, expectAccessible, field, open, save, test } from '../support/test.ts';

const MESSAGE = { from: 'Scan <scan@example.com>', to: 'anna@example.org', subject: 'Grüße aus der Poststelle', text: 'Hallo\n.\nWelt' };

test('a message arrives, the answer says so, and Messages tells of it', async ({ page, postroom, mail }) => {
  await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  const token = await submitToken(postroom, 'scanner');
  const files = [
    { name: 'Ausfüllen „bitte“.pdf', type: 'application/pdf', content: randomBytes(200_000) },
    { name: 'leer.txt', type: 'text/plain', content: new Uint8Array() },
  ];
  const { status, report } = await submitParts(postroom, token, { ...MESSAGE, html: '<p>Hallo</p>' }, files);
  expect(report).toMatchObject({ verdict: 'sent', server: 'mail', security: 'plaintext', queue_id: 'E2E1', reply: { code: 250 } });
  expect(status).toBe(200);
  const { mail: message, mailFrom, rcptTo } = await mail.message();
  expect([mailFrom, rcptTo]).toEqual(['scan@example.com', ['anna@example.org']]);
  expect(message.subject).toBe(MESSAGE.subject);
  expect(message.text?.trimEnd()).toBe(MESSAGE.text);
  expect((message.html || '').trimEnd()).toBe('<p>Hallo</p>');
  expect(message.attachments.map(({ filename }) => filename)).toEqual(files.map(({ name }) => name));
  for (const [at, { content }] of files.entries()) expect(Buffer.compare(message.attachments[at]!.content, Buffer.from(content))).toBe(0);

  await open(page, '/');
  await page.getByRole('navigation', { name: 'Postroom' }).getByRole('link', { name: 'Messages' }).click();
  const row = page.getByRole('row').filter({ hasText: MESSAGE.subject });
  await expect(row).toContainText('Sent');
  await expect(row).toContainText('anna@example.org');
  await expectAccessible(page);
  await row.getByRole('link').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(MESSAGE.subject);
  await expect(page.getByRole('status').filter({ hasText: 'Sent. 127.0.0.1 accepted the message as E2E1' })).toBeVisible();
  await expect(page.getByText('scanner, from 127.0.0.1')).toBeVisible();
  await expect(page.getByText('Welt')).toHaveCount(0);
  await expectAccessible(page);
  for (const path of ['/messages', `/messages/${report.id}`, '/help/api']) {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(path);
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(360);
  }
  for (const [name, bytes] of await postroom.files()) {
    expect(bytes.includes('Welt'), name).toBe(false);
    expect(bytes.includes(token), name).toBe(false);
  }
  expect(postroom.log).not.toContain(token);
});

test('what fails is told with its stage, and found again by its outcome', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ refuses: ['gone@example.org'] });
  await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  const token = await submitToken(postroom);
  const refused = await submit(postroom, token, { ...MESSAGE, to: 'gone@example.org' });
  expect([refused.status, refused.report.verdict, refused.report.stage]).toEqual([502, 'not_sent', 'rcpt_to']);
  const partly = await submit(postroom, token, { ...MESSAGE, cc: ['gone@example.org'] });
  expect([partly.status, partly.report.recipients.map(({ accepted }) => accepted)]).toEqual([200, [true, false]]);
  const wrong = await submit(postroom, token, { ...MESSAGE, to: 'nobody' });
  expect([wrong.status, Object.keys(wrong.report.fields ?? {})]).toEqual([422, ['to']]);
  expect(mail.connections).toBe(1);

  await page.goto('/messages');
  await page.getByLabel('Outcome').selectOption('Not sent');
  await page.getByRole('button', { name: 'Filter' }).click();
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByRole('row').nth(1).getByRole('link').click();
  await expect(page.getByRole('status').filter({ hasText: /^Not sent\./ })).toBeVisible();
  await page.locator('.stages details').filter({ hasText: '550' }).first().locator('summary').click();
  await expect(page.getByText('550 5.1.1 No such user here').last()).toBeVisible();
  await page.goBack();
  await expect(page.getByLabel('Outcome')).toHaveValue('failed');
  await page.getByRole('link', { name: 'Show all' }).click();
  await expect(page.getByRole('row')).toHaveCount(3);
});

test('a mail node sends from the sender address where that is switched on, and others as they are', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, sender: 'Office <office@example.com>' });
  const token = await submitToken(postroom);
  const node = { ...MESSAGE, from: 'node@example.com', source: 'bpm-mail-node' };
  await submit(postroom, token, node);
  expect((await mail.message(1)).mailFrom).toBe('node@example.com');

  await open(page, `/servers/${id}`);
  await page.getByText('Advanced', { exact: false }).first().click();
  await field(page, 'Override BPM mail node sender address').check();
  await save(page);
  const { report } = await submit(postroom, token, node);
  const overridden = await mail.message(2);
  expect(overridden.mailFrom).toBe('office@example.com');
  expect(overridden.mail.from?.value).toEqual([{ address: 'office@example.com', name: 'Office' }]);
  expect(overridden.mail.replyTo?.value.map(({ address }) => address)).toEqual(['node@example.com']);
  await submit(postroom, token, { ...node, source: '' });
  const other = await mail.message(3);
  expect([other.mailFrom, other.mail.replyTo]).toEqual(['node@example.com', undefined]);
  await page.goto(`/messages/${report.id}`);
  await expect(page.getByText('The mail node named node@example.com; the server’s sender address took its place.')
    .or(page.getByText("The mail node named node@example.com; the server's sender address took its place."))).toBeVisible();
});

test('strict and lenient servers read addresses as they say', async ({ postroom, mail }) => {
  await postroom.create({ name: 'strict', host: '127.0.0.1', port: mail.port });
  await postroom.create({ name: 'lenient', host: '127.0.0.1', port: mail.port, mime_address_strict: false });
  const token = await submitToken(postroom);
  const odd = { ...MESSAGE, to: 'mailto:john@example.org; anna@example.org' };
  expect((await submit(postroom, token, { ...odd, server: 'strict' })).status).toBe(422);
  expect((await submit(postroom, token, { ...odd, server: 'lenient' })).status).toBe(200);
  expect((await mail.message()).rcptTo).toEqual(['john@example.org', 'anna@example.org']);
  expect(mail.received).toHaveLength(1);
});

test('a connection is kept for the next message', async ({ postroom, mail }) => {
  await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  const token = await submitToken(postroom);
  for (let n = 0; n < 3; n += 1) expect((await submit(postroom, token, MESSAGE)).status).toBe(200);
  expect([mail.received.length, mail.connections]).toEqual([3, 1]);
  await postroom.stop();
  await mail.over();
});

for (const at of ['recipient', 'message'] as const) {
  test(`killed at the ${at}, it says truthfully that nobody knows, and keeps no file`, async ({ page, postroom, mailServer }) => {
    const gate = new Gate(at);
    const mail = await mailServer({ pause: gate.pause });
    await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
    const token = await submitToken(postroom);
    const sending = submitParts(postroom, token, MESSAGE, [{ name: 'a.bin', content: randomBytes(100_000) }]).catch(() => undefined);
    await gate.reached;
    await postroom.kill();
    expect(await sending).toBeUndefined();
    gate.open();
    await postroom.restart();
    await page.goto(`${postroom.url}/messages`);
    await expect(page.getByRole('row').nth(1)).toContainText('Unknown');
    await page.getByRole('row').nth(1).getByRole('link').click();
    await expect(page.getByRole('status').filter({ hasText: 'Postroom ended while it was sending the message' })).toBeVisible();
  });
}

test.describe('from a shell', () => {
  test('a message on standard input goes out, as sendmail takes it', async ({ postroom, mail }) => {
    await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
    const env = { POSTROOM_TOKEN: await submitToken(postroom), POSTROOM_URL: postroom.url };
    const input = 'From: Scan <scan@example.com>\nTo: Team: anna@example.org, bob@example.org;\nBcc: secret@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHallo\n.\nWelt\n';
    const sent = await run('postroom', ['send', '-t'], { env, input });
    expect([sent.code, sent.stderr]).toEqual([0, '']);
    expect(sent.stdout).toMatch(/^Sent\. 127\.0\.0\.1 accepted the message as E2E1/);
    const { rcptTo, mail: message, raw } = await mail.message();
    expect(rcptTo).toEqual(['anna@example.org', 'bob@example.org', 'secret@example.org']);
    expect(raw).not.toContain('secret@');
    expect([message.subject, message.text?.trimEnd()]).toEqual(['Grüße', 'Hallo\n.\nWelt']);
  });

  test('files by path, and exit codes that scripts know', async ({ postroom, mailServer }) => {
    const mail = await mailServer({ refuses: ['gone@example.org'] });
    await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, sender: 'scan@example.com' });
    const env = { POSTROOM_TOKEN: await submitToken(postroom), POSTROOM_URL: postroom.url };
    const dir = mkdtempSync(join(tmpdir(), 'postroom-send-'));
    try {
      const bytes = randomBytes(3_000_000);
      writeFileSync(join(dir, 'a, b.bin'), bytes);
      const sent = await run('postroom', ['send', '--to', 'anna@example.org', '--subject', 'S', '--text', '@-', '--attach', join(dir, 'a, b.bin'), '--format', 'ndjson'], { env, input: 'Hello' });
      expect([sent.code, sent.stderr]).toEqual([0, '']);
      expect(JSON.parse(sent.stdout)).toMatchObject({ verdict: 'sent', queue_id: 'E2E1' });
      const { mail: message } = await mail.message();
      expect(message.attachments.map(({ filename }) => filename)).toEqual(['a, b.bin']);
      expect(Buffer.compare(message.attachments[0]!.content, bytes)).toBe(0);
      for (const [args, more, code, told] of [
        [['--to', 'gone@example.org', '--text', 'x'], {}, 24, /^Not sent\./],
        [['--to', 'nobody', '--text', 'x'], {}, 1, /to: /],
        [['--to', 'anna@example.org', '--text', 'x', '--server', 'none'], {}, 1, /no server “none”/],
        [['--to', 'anna@example.org', '--attach', join(dir, 'none')], {}, 1, /--attach: .* can't be read/],
        [['--to', 'anna@example.org'], { POSTROOM_TOKEN: 'wrong' }, 1, /nobody is signed in/],
        [['--to', 'anna@example.org'], { POSTROOM_TOKEN: '' }, 1, /A token is missing/],
        [['--to', 'anna@example.org'], { POSTROOM_URL: 'http://127.0.0.1:9' }, 15, /can't be reached/],
        [['--to', 'anna@example.org'], { POSTROOM_URL: 'http://post.example.com' }, 1, /readable through the network/],
      ] as const) {
        const { code: got, stderr } = await run('postroom', ['send', ...args], { env: { ...env, ...more } });
        expect([got, stderr], args.join(' ')).toEqual([code, expect.stringMatching(told)]);
      }
      expect(mail.received).toHaveLength(1);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

test.describe('the examples that the page shows', () => {
  const examples = [
    { name: 'send.sh', command: 'sh', needs: 'curl' },
    { name: 'send.py', command: 'python3', needs: 'python3' },
    { name: 'Send.java', command: 'java', needs: 'java' },
    { name: 'send.ps1', command: 'pwsh', needs: 'pwsh' },
    { name: 'postroom-send.sh', command: 'sh', needs: 'sh' },
  ];
  const there = (command: string) => {
    try {
      execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  for (const { name, command, needs } of examples) {
    test(`${name} sends a report`, async ({ page, postroom, mail }) => {
      test.skip(!there(needs), `${needs} isn't on this machine`);
      await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, sender: 'scan@example.com' });
      await page.goto('/help/api');
      const source = readFileSync(new URL(`../../docs/examples/${name}`, import.meta.url), 'utf8').replaceAll('http://127.0.0.1:3000', postroom.url);
      expect((await page.locator('pre').allTextContents()).map((text) => text.trim()), 'as the page shows it').toContain(source.trim());
      const dir = mkdtempSync(join(tmpdir(), 'postroom-example-'));
      try {
        const report = randomBytes(50_000);
        writeFileSync(join(dir, name), source);
        writeFileSync(join(dir, 'report.pdf'), report);
        const ran = await run(command, [name], { env: { POSTROOM_TOKEN: await submitToken(postroom) }, cwd: dir });
        expect(ran.code, `${ran.stdout}\n${ran.stderr}`).toBe(0);
        const { mail: message, rcptTo } = await mail.message();
        expect([rcptTo, message.subject, message.text?.trimEnd()]).toEqual([['anna@example.org'], 'Report', 'The report is attached.']);
        expect(message.attachments.map(({ filename }) => filename)).toEqual(['report.pdf']);
        expect(Buffer.compare(message.attachments[0]!.content, report)).toBe(0);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });
  }
});

test('the API describes itself, and the description is valid', async ({ page, postroom, mail }) => {
  await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  const response = await fetch(`${postroom.url}/api/openapi.json`, { headers: postroom.headers });
  const description = (await response.json()) as Record<string, unknown>;
  const { valid, errors } = await new Validator().validate(description);
  expect([valid, errors]).toEqual([true, undefined]);
  await page.goto('/messages');
  await expect(page.getByText('No application has sent a message yet.')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('link', { name: 'How to send' }).first().click();
  await expect(page.getByRole('heading', { name: 'Sending from applications' })).toBeVisible();
  await expectAccessible(page);
});
