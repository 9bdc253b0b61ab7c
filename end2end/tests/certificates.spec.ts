// Trust: from a certificate that is refused to one that is trusted, what is trusted and by whom, and how it is added and taken
// back. Against a third party's SMTP server with certificates made on the spot.

import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { TLSSocket } from 'node:tls';
import type { Locator, Page } from '@playwright/test';
import { authority, fingerprint, selfSigned } from '../support/certificate.ts';
import type { Postroom } from '../support/postroom.ts';
import { expect, expectError, expectOutcome, field, open, row, running, save, test, tryIt } from '../support/test.ts';

const ENCRYPTED = { host: 'localhost', starttls: 'enabled_and_required' } as const;

/** Presses a button of "Try it". */
async function press(page: Page, name: string): Promise<void> {
  await tryIt(page).getByRole('button', { name, exact: true }).first().click();
}

/** The card with this title in the panel of an inspection. */
function card(page: Page, title: string): Locator {
  return tryIt(page).locator('.card').filter({ has: page.getByRole('heading', { level: 3, name: title, exact: true }) });
}

/** The row of a certificate, opened. */
async function opened(page: Page, name: string): Promise<Locator> {
  const item = page.locator('.certificates > li').filter({ has: page.locator('.name').getByText(name, { exact: true }) });
  await item.locator('summary').click();
  return item;
}

/** Waits until something was trusted. */
async function expectTrusted(page: Page): Promise<void> {
  await expect(tryIt(page).getByText('Trusted. Check the connection now.')).toBeVisible();
  await expect(tryIt(page).getByRole('button', { name: 'Check connection' })).toBeFocused();
}

/** Checks an entry through the API. */
function check(postroom: Postroom, id: number): Promise<{ headline: string }> {
  return postroom.api('servers/test', { id, check_only: true });
}

/** Adds authorities through the API. */
function trust(postroom: Postroom, ...pem: string[]): Promise<number[]> {
  return postroom.api('certificates/add', { pem: pem.join('') });
}

for (const script of [true, false]) {
  test.describe(script ? 'with scripts' : 'without scripts', () => {
    test.use({ javaScriptEnabled: script });
    const visit = async (page: Page, path: string) => (script ? open(page, path) : void (await page.goto(path)));

    test('from a failed test to a passing one in three clicks, with the fingerprint seen', async ({ page, postroom, mailServer }) => {
      const identity = selfSigned();
      const mail = await mailServer({ tls: { identity }, account: { user: 'anna', password: 'secret' } });
      const { id, version } = await postroom.create({ ...ENCRYPTED, name: 'mail', port: mail.port, username: 'anna', password: { value: 'secret' } });
      await visit(page, `/servers/${id}`);
      await field(page, 'Timeout').fill('9000');
      await press(page, 'Check connection');
      await expectOutcome(page, /^Check failed\./);
      expect(mail.signIns).toEqual([]);

      await tryIt(page).locator('.fix').getByRole('button', { name: 'Inspect certificate' }).click();
      await expect(tryIt(page)).toContainText('Signed by nobody but itself.');
      await expect(card(page, "The server's certificate")).toContainText(fingerprint(identity.cert));
      await expect(card(page, "The server's certificate")).toContainText('expires in 2 days');
      await expect(tryIt(page)).toContainText(`localhost:${mail.port} only`);
      // Looking trusts nothing, signs in nowhere and sends nothing.
      expect(await postroom.trusted()).toEqual([]);
      expect(mail.signIns).toEqual([]);
      expect(mail.received).toEqual([]);

      await press(page, 'Trust this certificate');
      await expectTrusted(page);
      const [pin, ...more] = await postroom.trusted();
      expect(more).toEqual([]);
      expect(pin).toMatchObject({ pin: { host: 'localhost', port: mail.port, outlives: false }, used_by: [[id, 'mail']] });
      // What was typed is still there, and nothing of it is saved.
      await expect(field(page, 'Timeout')).toHaveValue('9000');
      expect((await postroom.get(id)).version).toBe(version);

      await page.keyboard.press('Enter');
      await expectOutcome(page, /^Checked\. localhost .*TLS 1\.3/);
      expect(mail.signIns).toEqual(['anna:secret']);
      expect(mail.received).toEqual([]);
    });

    test('a certificate that changed is shown beside the one that is trusted, before it takes its place', async ({ page, postroom, mailServer }) => {
      const [before, now] = [selfSigned(), selfSigned()];
      const mail = await mailServer({ tls: { identity: before } });
      const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail', port: mail.port });
      await postroom.api('certificates/pin', { host: 'localhost', port: mail.port, pem: before.cert });
      expect((await check(postroom, id)).headline).toMatch(/^Checked\./);
      mail.present(now);

      await visit(page, `/servers/${id}`);
      await press(page, 'Check connection');
      await expectOutcome(page, /^Check failed\./);
      await tryIt(page).locator('.fix').getByRole('button', { name: 'Inspect certificate' }).click();
      await expect(card(page, 'Trusted until now')).toContainText(fingerprint(before.cert));
      await expect(card(page, 'Presented now')).toContainText(fingerprint(now.cert));
      await press(page, 'Trust this one instead');
      await expectTrusted(page);
      expect((await postroom.trusted()).map(({ certificate }) => certificate.sha256)).toEqual([fingerprint(now.cert).replaceAll(' ', '').toLowerCase()]);
      await press(page, 'Check connection');
      await expectOutcome(page, /^Checked\./);

      // Both: the server may go back and forth between them.
      mail.present(before);
      await press(page, 'Inspect certificate');
      await expect(card(page, 'Presented now')).toContainText(fingerprint(before.cert));
      await press(page, 'Trust both');
      await expectTrusted(page);
      for (const identity of [now, before]) {
        mail.present(identity);
        expect((await check(postroom, id)).headline).toMatch(/^Checked\./);
      }
      expect(await postroom.trusted()).toHaveLength(2);
    });

    test('an expired certificate is trusted only in so many words', async ({ page, postroom, mailServer }) => {
      const mail = await mailServer({ tls: { identity: selfSigned({ days: -1 }) } });
      const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail', port: mail.port });
      await visit(page, `/servers/${id}`);
      await press(page, 'Inspect certificate');
      await expect(tryIt(page)).toContainText('Expired on ');
      await expect(card(page, "The server's certificate").locator('.state.bad')).toHaveText('expired yesterday');
      await expect(tryIt(page).getByRole('button', { name: 'Trust this certificate' })).toHaveCount(0);
      await press(page, 'Trust it although it expired');
      await expectTrusted(page);
      await press(page, 'Check connection');
      await expectOutcome(page, /^Checked\./);

      // It can be held to its dates again; then it is marked where it is needed.
      await visit(page, '/certificates');
      const pin = await opened(page, `localhost:${mail.port}`);
      await expect(pin).toContainText('trusted all the same');
      await pin.getByRole('button', { name: 'Trust it within its dates only' }).click();
      await expect(page).toHaveURL(/\?open=\d+#certificate-\d+$/);
      await expect(page.getByRole('button', { name: 'Trust it beyond its dates' })).toBeVisible();
      expect((await check(postroom, id)).headline).toMatch(/^Check failed\./);
      await visit(page, `/servers/${id}`);
      await expect(page.locator('.title .state.bad').last()).toHaveText('The trusted certificate postroom test localhost expired yesterday');
      await visit(page, '/');
      await expect(row(page, 'mail').locator('.state.bad').last()).toHaveText('The trusted certificate postroom test localhost expired yesterday');
    });

    test('the issuer can be trusted instead, for every server', async ({ page, postroom, mailServer }) => {
      const ca = authority();
      const [leaf, other] = [ca.issue(), ca.issue()];
      const mail = await mailServer({ tls: { identity: { key: leaf.key, cert: leaf.cert + ca.cert } } });
      const second = await mailServer({ tls: { identity: { key: other.key, cert: other.cert + ca.cert }, implicit: true } });
      const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail', port: mail.port });
      const entry = await postroom.create({ name: 'second', host: 'localhost', protocol: 'smtps', port: second.port });
      await visit(page, `/servers/${id}`);
      await press(page, 'Inspect certificate');
      await expect(tryIt(page)).toContainText("whom this machine doesn't know");
      const sent = tryIt(page).locator('details.card');
      await sent.locator('summary').click();
      await expect(sent).toContainText(fingerprint(ca.cert));
      await press(page, 'Trust its issuer');
      await expectTrusted(page);
      expect((await postroom.trusted()).map(({ pin }) => pin)).toEqual([undefined]);
      for (const server of [id, entry.id]) expect((await check(postroom, server)).headline).toMatch(/^Checked\./);
    });

    test('a certificate for another name says so, and the field for the name settles it', async ({ page, postroom, mailServer }) => {
      const ca = authority();
      const mail = await mailServer({ tls: { identity: ca.issue({ name: 'mail.example.com' }) } });
      await trust(postroom, ca.cert);
      const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail', port: mail.port });
      await visit(page, `/servers/${id}`);
      await press(page, 'Inspect certificate');
      await expect(tryIt(page)).toContainText('For mail.example.com; you asked for localhost.');
      // Trusting its issuer, who is trusted, would change nothing.
      await expect(tryIt(page).getByRole('button', { name: 'Trust its issuer' })).toHaveCount(0);
      await page.getByText(/^Advanced/).click();
      await field(page, 'Certificate name').fill('mail.example.com');
      await press(page, 'Check connection');
      await expectOutcome(page, /^Checked\./);
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      await expect.poll(async () => (await postroom.get(id)).server?.certificate_name).toBe('mail.example.com');
    });

    test('trash names who depends on it, and undo brings it back', async ({ page, postroom, mailServer }) => {
      const identity = selfSigned();
      const mail = await mailServer({ tls: { identity } });
      const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail', port: mail.port });
      await postroom.api('certificates/pin', { host: 'localhost', port: mail.port, pem: identity.cert });
      await trust(postroom, authority().cert);
      await visit(page, '/certificates');
      await page.getByRole('checkbox', { name: `Select localhost:${mail.port}` }).check();
      const bar = page.getByRole('group', { name: 'Selected certificates' });
      await bar.getByRole('button', { name: 'Trash' }).click();
      await expect(page.getByRole('heading', { level: 1, name: 'Trash postroom test localhost?' })).toBeVisible();
      await expect(page.getByText('The servers that use it fail from the next connection on')).toBeVisible();
      await expect(page.getByRole('main').getByRole('link', { name: 'mail', exact: true })).toHaveAttribute('href', `/servers/${id}`);
      expect(await postroom.trusted()).toHaveLength(2);
      await page.getByRole('button', { name: 'Trash postroom test localhost' }).click();
      await expect(page.getByRole('status').filter({ hasText: 'Trashed postroom test localhost.' })).toBeVisible();
      expect(await postroom.trusted()).toHaveLength(1);
      expect((await check(postroom, id)).headline).toMatch(/^Check failed\./);
      await page.reload();
      await page.getByRole('button', { name: 'Undo' }).click();
      await expect(page.getByRole('checkbox', { name: `Select localhost:${mail.port}` })).toBeVisible();
      await expect(page.getByRole('button', { name: 'Undo' })).toHaveCount(0);
      expect((await check(postroom, id)).headline).toMatch(/^Checked\./);
    });

    test('a bundle is shown before it is trusted, and only what is ticked is added', async ({ page, postroom }, info) => {
      const [there, one, two] = [authority(), authority(), authority()];
      const [expired, leaf] = [authority({ days: -1 }), selfSigned()];
      await trust(postroom, there.cert);
      const bundle = info.outputPath('bundle.pem');
      await writeFile(bundle, ['some text', there.cert, one.cert, two.cert, expired.cert, leaf.cert, leaf.key].join('\n'));
      await visit(page, '/certificates');
      await page.getByRole('link', { name: 'Add certificates' }).click();
      await page.getByLabel('File', { exact: true }).setInputFiles(bundle);
      await page.getByRole('button', { name: 'Preview' }).click();
      await expect(page.getByRole('heading', { name: '2 will be added, 1 is there already, 3 are refused.' })).toBeVisible();
      for (const words of ['Refused: expired', "Refused: a server's own certificate", 'Refused: a private key', 'Already trusted']) {
        await expect(page.getByText(words)).toBeVisible();
      }
      for (const ca of [one, two]) await expect(page.getByText(fingerprint(ca.cert)).first()).toBeVisible();
      const ticks = page.getByRole('main').getByRole('checkbox');
      await expect(ticks).toHaveCount(2);
      expect(await postroom.trusted()).toHaveLength(1);
      await expect(page.getByRole('button', { name: 'Add 2 certificates' })).toBeVisible();
      await ticks.nth(1).uncheck();
      await page.getByRole('button', { name: 'Add what is ticked' }).click();
      await expect(page.getByText('1 authority added.')).toBeVisible();
      expect((await postroom.trusted()).map(({ certificate }) => certificate.sha256).sort()).toEqual(
        [there, one].map((ca) => fingerprint(ca.cert).replaceAll(' ', '').toLowerCase()).sort(),
      );
    });

    test('what is trusted leaves as PEM: what is ticked, or all', async ({ page, postroom }) => {
      const [one, two] = [authority(), authority()];
      await trust(postroom, one.cert, two.cert);
      await visit(page, '/certificates');
      const saved = async (action: Promise<void>) => {
        const [download] = await Promise.all([page.waitForEvent('download'), action]);
        expect(download.suggestedFilename()).toBe('postroom-certificates.pem');
        return readFile(await download.path(), 'utf8');
      };
      const all = await saved(page.getByRole('link', { name: 'Export all' }).click());
      for (const ca of [one, two]) expect(all).toContain(ca.cert.trim());
      const first = (await postroom.trusted())[0]!;
      await page.getByRole('main').getByRole('checkbox').first().check();
      const ticked = await saved(page.getByRole('group', { name: 'Selected certificates' }).getByRole('button', { name: 'Export' }).click());
      expect(ticked.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
      expect(ticked).toContain(`# Subject: ${first.certificate.subject}`);
    });

    test('a client certificate is kept, shown to a server that asks for one, and removed', async ({ page, postroom, mailServer, complaints }, info) => {
      complaints.expect(/status of 422/);
      const [servers, clients] = [authority(), authority()];
      const own = clients.issue({ name: 'postroom.example.com' });
      const seen: string[] = [];
      const mail = await mailServer({
        tls: { identity: servers.issue(), implicit: true },
        settings: {
          requestCert: true, rejectUnauthorized: false, ca: [clients.cert],
          onSecure: (socket, _session, done) => {
            const { authorized } = socket as TLSSocket;
            if (authorized) seen.push(String((socket as TLSSocket).getPeerCertificate().subject.CN));
            done(authorized ? null : Object.assign(new Error('5.7.0 Who are you?'), { responseCode: 554 }));
          },
        },
      });
      await trust(postroom, servers.cert);
      const { id } = await postroom.create({ name: 'mail', host: 'localhost', protocol: 'smtps', port: mail.port });
      expect((await check(postroom, id)).headline).toMatch(/^Check failed\./);
      await visit(page, `/servers/${id}`);
      await page.getByText(/^Advanced/).click();
      await expect(page.locator('.field').filter({ hasText: 'Client certificate' })).toContainText('None');
      await page.getByRole('link', { name: 'Add one: Client certificate' }).click();

      // A certificate without its key says so at the field, and nothing is kept.
      const file = info.outputPath('client.pem');
      await writeFile(file, own.cert);
      await page.getByLabel('File', { exact: true }).setInputFiles(file);
      await page.getByRole('button', { name: 'Keep this certificate' }).click();
      await expectError(page.getByLabel('File', { exact: true }), /key/);
      expect((await postroom.get(id)).server?.has_client_certificate).toBe(false);

      await page.getByLabel('Or paste PEM').fill(own.cert + own.key);
      await page.getByRole('button', { name: 'Keep this certificate' }).click();
      await expect(page).toHaveURL(/\/servers\/\d+/);
      await expect(page.locator('.field').filter({ hasText: 'Client certificate' })).toContainText('postroom test postroom.example.com, expires in 2 days');
      await expect(page.locator('.title .state.warning').last()).toHaveText('The client certificate postroom test postroom.example.com expires in 2 days');
      await press(page, 'Check connection');
      await expectOutcome(page, /^Checked\./);
      expect(seen).toEqual(['postroom test postroom.example.com']);

      await expect(page.getByText('Advanced (1 set)')).toBeVisible();
      await page.getByRole('link', { name: 'Change: Client certificate' }).click();
      await expect(page.getByRole('region', { name: 'Kept now' })).toContainText(fingerprint(own.cert));
      expect(await page.content()).not.toContain('PRIVATE KEY');
      await page.getByText('Remove client certificate').first().click();
      await expect(page.getByText('nothing can be sent through mail any more')).toBeVisible();
      await page.getByRole('button', { name: 'Remove client certificate' }).click();
      await expect(page).toHaveURL(/\/servers\/\d+/);
      await expect(page.locator('.field').filter({ hasText: 'Client certificate' })).toContainText('None');
      expect((await check(postroom, id)).headline).toMatch(/^Check failed\./);
    });
  });
}

test('the system authorities are switched off and on, and who relies on them is named', async ({ page, postroom, mailServer }) => {
  await open(page, '/certificates');
  const system = page.getByRole('region', { name: 'System authorities' });
  await expect(system).toContainText('Trusted');
  const { system: before } = await postroom.api<{ system: { on: boolean; count: number; source: string } }>('certificates');
  await expect(system).toContainText(before.count.toLocaleString('en').replaceAll(',', ' '));
  await system.getByRole('button', { name: 'Stop trusting them' }).click();
  await running(page);
  await expect(system).toContainText('Not trusted');
  expect((await postroom.api<{ system: { on: boolean } }>('certificates')).system.on).toBe(false);

  // With nobody else to vouch, the reason is the switch, and not the server.
  const mail = await mailServer({ tls: { identity: selfSigned() } });
  const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail', port: mail.port });
  await open(page, `/servers/${id}`);
  await press(page, 'Inspect certificate');
  await expect(tryIt(page)).toContainText("the system's authorities are switched off");
  await open(page, '/certificates');
  await system.getByRole('button', { name: 'Trust them again' }).click();
  await running(page);
  await expect(system.getByRole('button', { name: 'Stop trusting them' })).toBeVisible();
});

const onSystem = test.extend<{ ca: ReturnType<typeof authority> }>({
  ca: async ({}, use) => use(authority()),
  postroomEnv: async ({ ca }, use, info) => {
    const file = info.outputPath('system.pem');
    await writeFile(file, ca.cert);
    const none = info.outputPath('none');
    await mkdir(none);
    await use({ SSL_CERT_FILE: file, SSL_CERT_DIR: none });
  },
});

onSystem('a server that relies on the system authorities fails without them', async ({ page, postroom, mailServer, ca }) => {
  const mail = await mailServer({ tls: { identity: ca.issue() } });
  const { id } = await postroom.create({ ...ENCRYPTED, name: 'relies', port: mail.port });
  expect((await check(postroom, id)).headline).toMatch(/^Checked\./);
  await open(page, '/certificates');
  const system = page.getByRole('region', { name: 'System authorities' });
  await expect(system).toContainText('the one that comes with this machine');
  await expect(system.getByRole('link', { name: 'relies' })).toHaveAttribute('href', `/servers/${id}`);
  await expect(system).toContainText("Without them, relies can't connect any more");
  await system.getByRole('button', { name: 'Stop trusting them' }).click();
  await expect(system).toContainText('Not trusted');
  expect((await check(postroom, id)).headline).toMatch(/^Check failed\./);
});

test('every authority of the system can be imported, and the page stays usable', async ({ page, postroom }) => {
  const file = '/etc/ssl/certs/ca-certificates.crt';
  await open(page, '/certificates/import');
  await page.getByLabel('File', { exact: true }).setInputFiles(file);
  await page.getByRole('button', { name: 'Preview' }).click();
  const add = page.getByRole('button', { name: /^Add 1\d\d certificates$/ });
  await expect(add).toBeVisible();
  await add.click();
  await expect(page.getByText(/^1\d\d authorities added\.$/)).toBeVisible();
  await running(page);
  const rows = page.locator('.certificates > li');
  expect(await rows.count()).toBeGreaterThan(100);
  const { height } = (await rows.first().boundingBox())!;
  expect(height).toBeLessThan(50);
  await page.getByRole('link', { name: 'Select all' }).click();
  await running(page);
  await expect(page.getByText(/\d+ selected/).or(page.locator('.count'))).toBeVisible();
  await page.getByRole('group', { name: 'Selected certificates' }).getByRole('button', { name: 'Trash' }).click();
  await page.getByRole('button', { name: /^Trash 1\d\d certificates$/ }).click();
  await expect(page.getByText('Nothing is trusted beside')).toBeVisible();
  expect(await postroom.trusted()).toEqual([]);
  // Nothing is told any more of what was done before.
  await page.reload();
  await expect(page.getByText(/authorities added/)).toHaveCount(0);
});

/** Runs a program of Java's, or says that there is none. */
function keytool(...args: string[]): boolean {
  try {
    execFileSync('keytool', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

for (const [type, name] of [['JKS', 'truststore.jks'], ['PKCS12', 'truststore.p12']] as const) {
  test(`a ${type} truststore of Java's opens with its password only`, async ({ page, postroom, complaints }, info) => {
    complaints.expect(/status of 422/);
    const ca = authority();
    const [pem, store] = [info.outputPath('ca.pem'), info.outputPath(name)];
    await writeFile(pem, ca.cert);
    const made = keytool('-importcert', '-noprompt', '-alias', 'corporate root', '-file', pem, '-keystore', store, '-storetype', type, '-storepass', 'changeit');
    test.skip(!made, 'keytool is not on this machine; server/tests/data has what it made elsewhere');
    await open(page, '/certificates/import');
    const [file, password] = [page.getByLabel('File', { exact: true }), page.getByLabel('Password of the store')];
    for (const wrong of ['', 'not it']) {
      await file.setInputFiles(store);
      await password.fill(wrong);
      await page.getByRole('button', { name: 'Preview' }).click();
      await expectError(password, /password/);
      await running(page);
      await expect(password).toBeFocused();
      await expect(password).toHaveValue('');
    }
    await file.setInputFiles(store);
    await password.fill('changeit');
    await page.getByRole('button', { name: 'Preview' }).click();
    await expect(page.getByRole('heading', { name: '1 will be added.' })).toBeVisible();
    await expect(page.getByText('corporate root')).toBeVisible();
    expect(await page.content()).not.toContain('changeit');
    await page.getByRole('button', { name: 'Add 1 certificate' }).click();
    await expect(page.getByText('1 authority added.')).toBeVisible();
    expect((await postroom.trusted())[0]?.certificate.sha256).toBe(fingerprint(ca.cert).replaceAll(' ', '').toLowerCase());
  });
}

test('what is no certificate says so where it was given', async ({ page, complaints }, info) => {
  complaints.expect(/status of (422|413)/);
  await open(page, '/certificates/import');
  const file = page.getByLabel('File', { exact: true });
  await page.getByRole('button', { name: 'Preview' }).click();
  await expectError(file, /Choose a file, or paste PEM/);
  await running(page);
  await expect(file).toBeFocused();
  const text = info.outputPath('text.txt');
  await writeFile(text, 'nothing like a certificate');
  await file.setInputFiles(text);
  await page.getByRole('button', { name: 'Preview' }).click();
  await expectError(file, /certificate/);
});

test('a private key is refused, and nothing of it is kept', async ({ page, postroom }) => {
  const ca = authority();
  const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail' });
  await open(page, '/certificates/import');
  await page.getByLabel('Or paste PEM').fill(ca.key + ca.cert);
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByText("Refused: a private key. It isn't needed here and nothing of it is kept")).toBeVisible();
  const line = ca.key.split('\n')[1]!;
  expect(await page.content()).not.toContain(line);
  await page.getByRole('button', { name: 'Add 1 certificate' }).click();
  await expect(page.getByText('1 authority added.')).toBeVisible();
  // The key of a client certificate is kept, and nobody can read it.
  const own = ca.issue();
  await open(page, `/servers/${id}/client-certificate`);
  await page.getByLabel('Or paste PEM').fill(own.cert + own.key);
  await page.getByRole('button', { name: 'Keep this certificate' }).click();
  await expect(page).toHaveURL(/\/servers\/\d+/);
  await running(page);
  await postroom.stop();
  for (const key of [ca.key, own.key]) {
    const der = Buffer.from(key.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    // The secret number itself, which every form of the key holds.
    const secret = der.subarray(36, 68);
    for (const [name, bytes] of await postroom.files()) {
      expect(bytes.includes(secret), name).toBe(false);
      expect(bytes.includes(key.split('\n')[1]!), name).toBe(false);
    }
    expect(postroom.log).not.toContain(key.split('\n')[1]!);
  }
});

test('a PKCS#12 file with its key becomes the client certificate', async ({ page, postroom }, info) => {
  const own = authority().issue({ name: 'postroom.example.com' });
  const [key, cert, store] = ['key.pem', 'cert.pem', 'own.p12'].map((name) => info.outputPath(name)) as [string, string, string];
  await writeFile(key, own.key);
  await writeFile(cert, own.cert);
  execFileSync('openssl', ['pkcs12', '-export', '-inkey', key, '-in', cert, '-out', store, '-passout', 'pass:of the file']);
  const { id } = await postroom.create({ ...ENCRYPTED, name: 'mail' });
  await open(page, `/servers/${id}/client-certificate`);
  const [file, password] = [page.getByLabel('File', { exact: true }), page.getByLabel('Password of the file')];
  await file.setInputFiles(store);
  await password.fill('of the file');
  await page.getByRole('button', { name: 'Keep this certificate' }).click();
  await expect(page).toHaveURL(/\/servers\/\d+/);
  expect((await postroom.get(id)).server?.has_client_certificate).toBe(true);
});

test('two people at once: a client certificate of an older version is refused, and the page goes on from the newer one', async ({ page, postroom, complaints }) => {
  complaints.expect(/status of 409/);
  const own = authority().issue();
  const saved = await postroom.create({ ...ENCRYPTED, name: 'mail' });
  await open(page, `/servers/${saved.id}/client-certificate`);
  await postroom.save(saved, { timeout_ms: 5000 });
  const keep = async () => {
    await page.getByLabel('Or paste PEM').fill(own.cert + own.key);
    await page.getByRole('button', { name: 'Keep this certificate' }).click();
  };
  await keep();
  await expect(page.getByRole('alert')).toContainText('somebody else saved this server after you opened this page');
  expect((await postroom.get(saved.id)).server?.has_client_certificate).toBe(false);
  await keep();
  await expect(page).toHaveURL(/\/servers\/\d+/);
  expect((await postroom.get(saved.id)).server).toMatchObject({ has_client_certificate: true, timeout_ms: 5000 });
});

test('advanced counts what is set and shows what applies', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await page.getByText('Advanced', { exact: true }).click();
  // Without encryption nothing of it counts.
  for (const label of ['Certificate name', 'Minimum TLS version']) await expect(field(page, label)).toBeHidden();
  await expect(page.getByRole('link', { name: 'Add one: Client certificate' })).toBeHidden();
  await field(page, 'StartTLS').selectOption('Enabled and required');
  await field(page, 'Certificate name').fill('mail.example.com');
  await field(page, 'Minimum TLS version').selectOption('TLS 1.3');
  await expect(page.getByText('Advanced (2 set)')).toBeVisible();
  await field(page, 'Certificate name').fill('not a name');
  await field(page, 'Certificate name').blur();
  await expectError(field(page, 'Certificate name'), /A host name has no spaces/);
  await field(page, 'Certificate name').fill('mail.example.com');
  await save(page);
  expect((await postroom.get(id)).server).toMatchObject({ certificate_name: 'mail.example.com', min_tls: '1.3' });
});

test('TLS 1.3 only is demanded, and a server with 1.2 is refused', async ({ postroom, mailServer }) => {
  const ca = authority();
  await trust(postroom, ca.cert);
  const mail = await mailServer({ tls: { identity: ca.issue(), implicit: true }, settings: { maxVersion: 'TLSv1.2' } as object });
  const saved = await postroom.create({ name: 'mail', host: 'localhost', protocol: 'smtps', port: mail.port });
  expect((await check(postroom, saved.id)).headline).toMatch(/^Checked\. .*TLS 1\.2/);
  await postroom.save(saved, { min_tls: '1.3' });
  expect((await check(postroom, saved.id)).headline).toMatch(/^Check failed\./);
});

test('inspecting needs only what leads to the server', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ tls: { identity: selfSigned() } });
  const { id } = await postroom.create({ name: 'mail', host: 'localhost', port: mail.port });
  await open(page, `/servers/${id}`);
  await field(page, 'Sender address').fill('no address');
  await field(page, 'SMTP port').fill('0');
  await press(page, 'Inspect certificate');
  await expectError(field(page, 'SMTP port'), /Port 0/);
  expect(mail.connections).toBe(0);
  // Without encryption demanded, what is offered can be looked at all the same.
  await field(page, 'SMTP port').fill(String(mail.port));
  await press(page, 'Inspect certificate');
  await expect(card(page, "The server's certificate")).toBeVisible();
  await expect(page.getByText('From before your change.')).toBeHidden();
  await field(page, 'SMTP hostname').fill('127.0.0.1');
  await expect(page.getByText('From before your change.')).toBeVisible();
});

test('a server without encryption, or none at all, has no certificate to show', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: 'localhost', port: mail.port });
  await open(page, `/servers/${id}`);
  await press(page, 'Inspect certificate');
  await expect(tryIt(page).getByText(/^Not inspected\./)).toBeVisible();
  await expect(tryIt(page).locator('.card')).toHaveCount(0);
  await expect(tryIt(page).getByRole('button', { name: /^Trust/ })).toHaveCount(0);
  await expect(tryIt(page).getByText('What was said')).toBeVisible();
});

test('the fingerprint can be copied', async ({ page, postroom, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const ca = authority();
  await trust(postroom, ca.cert);
  await open(page, '/certificates');
  await page.locator('.certificates summary').click();
  await page.getByRole('button', { name: 'Copy' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(fingerprint(ca.cert).replaceAll(' ', '').toLowerCase());
  await expect(page.getByRole('button', { name: 'Copy', exact: true })).toBeVisible();
});
