// Attachments as links: from the message that arrived to the file on somebody's disk, and what the administrator sees of it.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { submit, submitParts, submitToken } from '../support/sending.ts';
import { expect, expectAccessible, test } from '../support/test.ts';

const MESSAGE = { from: 'Scan <scan@example.com>', to: 'anna@example.org', subject: 'Plans', text: 'Here they are.', html: '<html><body><p>Here they are.</p></body></html>' };
const THRESHOLD = 100 * 1024;

/** The links in a text. */
const links = (text: string) => [...text.matchAll(/https?:\/\/\S+\/d\/[\w-]+/g)].map(([url]) => url);

test('what is above the threshold becomes links, which whoever has them follows to the file', async ({ page, browser, postroom, mail, complaints }) => {
  await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, attachment_as_url: true, attachment_threshold_bytes: THRESHOLD, link_days: 7 });
  const token = await submitToken(postroom);
  const files = [
    { name: 'Lageplan “Nord” & Süd.pdf', type: 'application/pdf', content: randomBytes(150_000) },
    { name: 'notes.txt', type: 'text/plain', content: Buffer.from('small') },
  ];
  const { status, report } = await submitParts(postroom, token, MESSAGE, files);
  expect([status, report.links.map(({ name, size }) => [name, size])]).toEqual([200, files.map(({ name, content }) => [name, content.length])]);
  const { mail: message } = await mail.message();
  expect(message.attachments).toEqual([]);
  const urls = links(message.text ?? '');
  expect(urls).toEqual(report.links.map(({ url }) => url));
  expect([...new Set(links((message.html || '').replaceAll('"', ' ')))]).toEqual(urls);
  for (const { name } of files) expect(message.text).toContain(name);
  expect(message.text).toMatch(/Here they are\.[\s\S]*146(\.5)? KB[\s\S]*Available until/);
  expect(message.html).toMatch(/Here they are\.[\s\S]*Lageplan “Nord” &amp; Süd\.pdf[\s\S]*<\/body>/);

  // Somebody without an account, on a phone.
  const phone = await browser.newContext({ viewport: { width: 390, height: 844 }, acceptDownloads: true });
  const recipient = await phone.newPage();
  complaints.watch(recipient);
  const response = await recipient.goto(urls[0]!);
  expect(response!.status()).toBe(200);
  expect(response!.headers()['content-security-policy']).toContain("default-src 'none'");
  await expect(recipient.getByRole('heading', { level: 1 })).toHaveText(files[0]!.name);
  await expect(recipient.getByText('Scan <scan@example.com>')).toBeVisible();
  await expect(recipient.getByRole('navigation')).toHaveCount(0);
  expect(await recipient.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await expectAccessible(recipient);

  // Looking counts nothing: scanners of mail follow every link.
  await page.goto('/links');
  const row = page.getByRole('row').filter({ hasText: 'Lageplan' });
  await expect(row.getByRole('cell').nth(2)).toContainText(/^0/);
  const downloading = recipient.waitForEvent('download');
  await recipient.getByRole('button', { name: 'Download' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toMatch(/^Lageplan .*\.pdf$/);
  expect(Buffer.compare(await readFile(await download.path()), files[0]!.content as Buffer)).toBe(0);

  // A ticket resumes.
  const ticket = download.url();
  const rest = await fetch(ticket, { headers: { range: 'bytes=149990-' } });
  expect([rest.status, rest.headers.get('content-range')]).toEqual([206, 'bytes 149990-149999/150000']);
  expect(Buffer.compare(Buffer.from(await rest.arrayBuffer()), (files[0]!.content as Buffer).subarray(149_990))).toBe(0);
  expect(rest.headers.get('content-security-policy')).toBe('sandbox');
  expect(rest.headers.get('content-disposition')).toMatch(/^attachment; /);

  await page.reload();
  await expect(row.getByRole('cell').nth(2)).toContainText(/^1/);
  await expectAccessible(page);
  await row.getByRole('link', { name: /^Message/ }).click();
  await expect(page.getByRole('link', { name: 'download link' })).toHaveCount(2);
  await page.goto('/links');
  await row.getByRole('link', { name: 'Revoke' }).click();
  await expectAccessible(page);
  await page.getByRole('button', { name: /Revoke/ }).click();
  await expect(row).toContainText('Revoked');
  complaints.expect(/404/);
  const gone = await recipient.goto(urls[0]!);
  expect(gone!.status()).toBe(404);
  await expectAccessible(recipient);
  const unknown = await fetch(`${postroom.url}/d/${'A'.repeat(43)}`);
  expect([unknown.status, await unknown.text()]).toEqual([404, await gone!.text()]);
  expect((await fetch(ticket)).status).toBe(404);
  // The other one still works.
  expect((await recipient.goto(urls[1]!))!.status()).toBe(200);
  await phone.close();

  const tokens = urls.map((url) => url.split('/d/')[1]!);
  for (const [name, bytes] of await postroom.files()) for (const secret of tokens) expect(bytes.includes(secret), name).toBe(false);
  for (const secret of tokens) expect(postroom.log).not.toContain(secret);
});

test('below the threshold files go along, and without links what is above it is refused', async ({ postroom, mail }) => {
  await postroom.create({ name: 'as-url', host: '127.0.0.1', port: mail.port, attachment_as_url: true, attachment_threshold_bytes: THRESHOLD });
  await postroom.create({ name: 'plain', host: '127.0.0.1', port: mail.port, attachment_threshold_bytes: THRESHOLD });
  const token = await submitToken(postroom);
  const [small, big] = [{ name: 'a.bin', content: randomBytes(50_000) }, { name: 'b.bin', content: randomBytes(90_000) }];
  for (const server of ['as-url', 'plain']) {
    const { status, report } = await submitParts(postroom, token, { ...MESSAGE, server }, [small]);
    expect([status, report.links]).toEqual([200, []]);
  }
  expect((await mail.message(2)).mail.attachments.map(({ filename }) => filename)).toEqual(['a.bin']);
  const refused = await submitParts(postroom, token, { ...MESSAGE, server: 'plain' }, [big]);
  expect([refused.status, refused.report.fields?.['attachments']]).toEqual([422, expect.stringMatching(/^The files would have 123\D?158 bytes as they are sent, and the server takes 102\D?400\./)]);
  const linked = await submitParts(postroom, token, { ...MESSAGE, server: 'as-url' }, [big]);
  expect([linked.status, linked.report.links.length]).toEqual([200, 1]);
  expect(mail.received).toHaveLength(3);
  const kept = [...(await postroom.files()).keys()].filter((name) => name.includes('attachments'));
  expect(kept, 'only what a link stands for is kept').toHaveLength(1);
});

test('a message that had no text gets one, in the language of the server', async ({ postroom, mail }) => {
  const server = { name: 'mail', host: '127.0.0.1', port: mail.port, attachment_as_url: true, attachment_threshold_bytes: 0, link_language: 'de' };
  await postroom.create(server);
  const token = await submitToken(postroom);
  const content = Buffer.from('x').toString('base64');
  const { report } = await submit(postroom, token, { from: 'scan@example.com', to: 'anna@example.org', attachments: [{ name: 'a.txt', content }] });
  const { mail: message } = await mail.message();
  expect(message.html).toBe(false);
  expect(message.text).toContain('Eine Datei zum Herunterladen:');
  expect(links(message.text ?? '')).toEqual([report.links[0]!.url]);
  expect(await (await fetch(report.links[0]!.url)).text()).toContain('Herunterladen');
});

test('a message that was not sent leaves neither links nor files', async ({ postroom, mailServer, page }) => {
  const mail = await mailServer({ refuses: ['anna@example.org'] });
  await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, attachment_as_url: true, attachment_threshold_bytes: 0 });
  const token = await submitToken(postroom);
  const { status, report } = await submitParts(postroom, token, MESSAGE, [{ name: 'a.bin', content: randomBytes(1000) }]);
  expect([status, report.links]).toEqual([502, []]);
  await page.goto('/links');
  await expect(page.getByText('There are no links yet.')).toBeVisible();
  await expectAccessible(page);
  expect([...(await postroom.files()).keys()].filter((name) => name.includes('attachments'))).toEqual([]);
});

test.describe('with little room', () => {
  test.use({ postroomEnv: { POSTROOM_ATTACHMENTS_QUOTA: '100 KB' } });
  test('what has no room is refused, and what is there stays', async ({ postroom, mail }) => {
    await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, attachment_as_url: true, attachment_threshold_bytes: 0 });
    const token = await submitToken(postroom);
    const first = await submitParts(postroom, token, MESSAGE, [{ name: 'a.bin', content: randomBytes(60_000) }]);
    expect(first.status).toBe(200);
    const second = await submitParts(postroom, token, MESSAGE, [{ name: 'b.bin', content: randomBytes(60_000) }]);
    expect([second.status, second.report.error]).toEqual([507, 'disk_full']);
    expect(second.report.message).toMatch(/^Not sent: files may take 102\D?400 bytes here/);
    expect(mail.received).toHaveLength(1);
    expect((await fetch(first.report.links[0]!.url)).status).toBe(200);
  });
});
