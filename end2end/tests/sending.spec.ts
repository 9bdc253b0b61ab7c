// Trying an entry out: against a third party's SMTP server, and what arrives there.

import { writeFileSync } from 'node:fs';
import { selfSigned } from '../support/certificate.ts';
import { closedPort } from '../support/mail.ts';
import { expect, expectError, expectOutcome, field, open, save, sendTest, test, tryIt } from '../support/test.ts';

test('a test email arrives as it was asked for, and the page says who took it', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'Grüße <scan@example.com>', 'anna@example.com, bob@example.org');
  await expectOutcome(page, /^Sent\. 127\.0\.0\.1 accepted the message as E2E1, .*(unencrypted|not encrypted|plain|clear)/);

  const { mailFrom, rcptTo, mail: message, raw, encrypted } = await mail.message();
  expect(mailFrom).toBe('scan@example.com');
  expect(rcptTo).toEqual(['anna@example.com', 'bob@example.org']);
  expect(encrypted).toBe(false);
  expect(message.from?.value).toEqual([{ address: 'scan@example.com', name: 'Grüße' }]);
  expect([message.to ?? []].flat().flatMap((to) => to.value.map((mailbox) => mailbox.address))).toEqual(['anna@example.com', 'bob@example.org']);
  expect(message.subject).toBeTruthy();
  expect(message.text?.trim()).toBeTruthy();
  expect(message.date).toBeInstanceOf(Date);
  expect(Math.abs(message.date!.getTime() - Date.now())).toBeLessThan(60_000);
  expect(message.messageId).toMatch(/^<[^<>\s]+@[^<>\s]+>$/);
  // RFC 5321 and 5322: lines end in CR LF and only there, none is too long, and what is not ASCII is encoded.
  expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  expect(raw).not.toMatch(/[^\x00-\x7f]/);
  expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
  expect(mail.connections).toBe(1);
});

test('a test carries a file of the size one chooses, and above the threshold it is refused with both sizes', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, attachment_threshold_bytes: 1024 * 1024 });
  await open(page, `/servers/${id}`);
  await field(page, 'Attach a file of').fill('700 KB');
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  const { mail: message } = await mail.message();
  expect(message.attachments.map(({ filename, size }) => [filename, size])).toEqual([['postroom-716800-bytes.bin', 700 * 1024]]);
  expect(message.text).toContain('This is a test message.');

  // Encoded it would have 1.37 MB.
  await field(page, 'Attach a file of').fill('1 MB');
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /1434898 bytes encoded; .* is 1048576 bytes/);
  await field(page, 'Attach a file of').fill('a lot');
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectError(field(page, 'Attach a file of'), /“a lot” isn't a unit of size/);
  expect(mail.connections).toBe(1);
});

test('what is typed is tried, saved or not, and nothing of it is saved', async ({ page, postroom, mail }) => {
  const { id, version } = await postroom.create({ name: 'mail', host: 'old.example.com', port: 25 });
  await open(page, `/servers/${id}`);
  await field(page, 'SMTP hostname').fill('127.0.0.1');
  await field(page, 'SMTP port').fill(String(mail.port));
  await field(page, 'Sender address').fill('typed@example.com');
  await sendTest(page, '', 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  expect((await mail.message()).mailFrom).toBe('typed@example.com');
  expect(await postroom.get(id)).toMatchObject({ version, server: { host: 'old.example.com', port: 25, sender: '' } });
  await expect(page.getByText('Unsaved changes')).toBeVisible();

  // The result stays while one edits, and is marked as old once a field differs.
  await expect(page.locator('.report').getByText('From before your change.')).toBeHidden();
  await field(page, 'Timeout').fill('12000');
  await expect(page.locator('.report').getByText('From before your change.')).toBeVisible();
});

test('an entry that was only just added can be tried before it is saved', async ({ page, postroom, mail }) => {
  const { id } = await postroom.api<{ id: number }>('servers/create', { server: { name: 'fresh' } });
  await open(page, `/servers/${id}`);
  await field(page, 'SMTP hostname').fill('localhost');
  await field(page, 'SMTP port').fill(String(mail.port));
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Sent\. localhost accepted/);
  expect((await postroom.get(id)).server).toBeNull();
});

test('check connection hands nothing over', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expectOutcome(page, /^Checked\. 127\.0\.0\.1 .*nothing was sent\./);
  expect(mail.connections).toBe(1);
  expect(mail.received).toHaveLength(0);
});

test('a test without recipients asks for them and opens no connection', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectError(field(page, 'From'), /Enter the sender/);
  await expectError(field(page, 'To'), /Enter who is to receive the test email/);
  await expect(field(page, 'From')).toBeFocused();
  expect(mail.connections).toBe(0);
});

test('with an account it signs in, with the stored password', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ account: { user: 'anna', password: 'pä ss:wörd' } });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, username: 'anna', password: { value: 'pä ss:wörd' }, allow_plaintext_credentials: true });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  expect((await mail.message()).user).toBe('anna');
  expect(mail.signIns).toEqual(['anna:pä ss:wörd']);
});

test('a wrong password is said to be wrong, with the server\'s own words, and nothing is handed over', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ account: { user: 'anna', password: 'right' } });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, username: 'anna', allow_plaintext_credentials: true, password: { value: 'wrong' } });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Not sent\. .*nothing was handed over\./);
  await expect(tryIt(page)).toContainText('535');
  await expect(tryIt(page)).toContainText('Authentication credentials invalid');
  await expect(tryIt(page).getByText('Sign-in failed')).toBeVisible();
  expect(mail.received).toHaveLength(0);
  // It did try, once: a second try can lock an account.
  expect(mail.signIns).toEqual(['anna:wrong']);
  // The right one, typed and not saved, works.
  await page.getByText('Change password').click();
  await field(page, 'SMTP password').fill('right');
  await field(page, 'Confirm SMTP password').fill('right');
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectOutcome(page, /^Sent\./);
});

test('a stored password goes to the server and the account it was entered for, and to nobody else', async ({ page, postroom, mailServer, complaints }) => {
  const account = { user: 'anna', password: 'stored' };
  const [mail, other] = [await mailServer({ account }), await mailServer({ account })];
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, username: 'anna', password: { value: 'stored' }, allow_plaintext_credentials: true });
  complaints.expect(/status of 422/);
  await open(page, `/servers/${id}`);
  await field(page, 'SMTP port').fill(String(other.port));
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expect(page.getByText('The stored password belongs to another hostname').first()).toBeVisible();
  expect(other.signIns).toEqual([]);
  expect(other.connections).toBe(0);
});

test('credentials are not sent in clear unless the entry allows exactly that', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ account: { user: 'anna', password: 'secret' } });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, username: 'anna', password: { value: 'secret' } });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Not sent\./);
  await expect(tryIt(page)).toContainText('Allow credentials without encryption');
  expect(mail.signIns).toEqual([]);
  await field(page, 'Allow credentials without encryption').check();
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectOutcome(page, /^Sent\./);
});

test('nobody listening is said as that, and the page stays usable', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: await closedPort() });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Not sent\. .*nothing was handed over\./);
  await expect(tryIt(page)).toContainText('127.0.0.1');
  await field(page, 'SMTP port').fill(String(mail.port));
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectOutcome(page, /^Sent\./);
});

test('a recipient that is refused is named, and the others get their message', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ refuses: ['nobody@example.com'] });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com, nobody@example.com');
  await expectOutcome(page, /^Sent to 1 of 2 recipients\. /);
  expect((await mail.message()).rcptTo).toEqual(['anna@example.com']);
});

test('an address that can be none is refused before anything is opened', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com>\r\nRCPT TO:<evil@example.com');
  await expectError(field(page, 'To'), /./);
  expect(mail.connections).toBe(0);
});

test('a time-out ends the test within the time the page names', async ({ page, postroom }) => {
  const { createServer } = await import('node:net');
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as import('node:net').AddressInfo;
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port, timeout_ms: 500 });
  await open(page, `/servers/${id}`);
  const start = Date.now();
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Not sent\./);
  expect(Date.now() - start).toBeLessThan(8_000);
  silent.close();
});

const trusted = test.extend<{ identity: ReturnType<typeof selfSigned> }>({
  identity: async ({}, use) => use(selfSigned()),
  // The program trusts what the system trusts; here the system also trusts the test's certificate.
  postroomEnv: async ({ identity }, use, info) => {
    const file = info.outputPath('trusted.pem');
    writeFileSync(file, identity.cert);
    await use({ SSL_CERT_FILE: file });
  },
});

for (const [name, implicit] of [['StartTLS', false], ['SMTPS', true]] as const) {
  trusted(`${name} with a trusted certificate encrypts, and the account is used only inside`, async ({ page, postroom, mailServer, identity }) => {
    const mail = await mailServer({ tls: { identity, implicit }, account: { user: 'anna', password: 'secret' } });
    const { id } = await postroom.create({
      name: 'mail', host: 'localhost', port: mail.port, username: 'anna', password: { value: 'secret' },
      ...(implicit ? { protocol: 'smtps' } : { starttls: 'enabled_and_required' }),
    });
    await open(page, `/servers/${id}`);
    await sendTest(page, 'scan@example.com', 'anna@example.com');
    await expectOutcome(page, /^Sent\. localhost accepted the message as E2E1, .*TLS 1\.3/);
    expect(await mail.message()).toMatchObject({ encrypted: true, user: 'anna' });
  });
}

test('an untrusted certificate ends the test in every mode, and there is no way round by falling back', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ tls: { identity: selfSigned() } });
  const { id } = await postroom.create({ name: 'mail', host: 'localhost', port: mail.port, starttls: 'enabled' });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Not sent\. .*certificate/i);
  expect(mail.received).toHaveLength(0);
});

trusted('a certificate for another name ends the test', async ({ page, postroom, mailServer, identity }) => {
  const mail = await mailServer({ tls: { identity } });
  // 127.0.0.1 is in the certificate, this name for it is not.
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.2', port: mail.port, starttls: 'enabled_and_required' });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Not sent\./);
  expect(mail.received).toHaveLength(0);
});

test('StartTLS that is required and not offered ends the test; without being required it goes on in clear and says so', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, starttls: 'enabled_and_required' });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Not sent\./);
  expect(mail.received).toHaveLength(0);
  await field(page, 'StartTLS').selectOption('Enabled');
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectOutcome(page, /^Sent\. .*unencrypted because/);
});

test('with links, a test shows both sides of the threshold', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await field(page, 'Attachment as URL enabled').check();
  await save(page);
  for (const [size, bytes] of [['1 MB', 1024 * 1024], ['20 MB', 20 * 1024 * 1024]] as const) {
    await field(page, 'Attach a file of').fill(size);
    await sendTest(page, 'scan@example.com', 'anna@example.com');
    await expectOutcome(page, /^Sent\./);
    const { mail: message } = await mail.message(size === '1 MB' ? 1 : 2);
    const [link] = /http:\S+\/d\/\S+/.exec(message.text ?? '') ?? [];
    expect([message.attachments.length, link !== undefined]).toEqual(size === '1 MB' ? [1, false] : [0, true]);
    if (link) expect(await (await fetch(link)).text()).toContain(`postroom-${bytes}-bytes.bin`);
  }
});

test('each stage has a row with its time that opens to what was said', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  const stages = tryIt(page).getByRole('listitem').filter({ has: page.locator('summary') });
  for (const stage of ['Connected', 'Greeting', 'Sender', 'Recipients', 'Message']) await expect(stages.filter({ hasText: stage })).toBeVisible();
  // A pipelined command stands with the stage in which it was sent.
  const line = page.getByText('RCPT TO:<anna@example.com>');
  await expect(line).toBeHidden();
  await stages.filter({ has: line }).locator('summary').click();
  await expect(line).toBeVisible();
});
