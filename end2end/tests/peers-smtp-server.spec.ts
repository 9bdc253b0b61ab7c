// The binary against npm `smtp-server`: what it tells, what the server got, and what did not happen. Each test has a server
// of its own.

import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { test as base, expect } from '@playwright/test';
import { type Authority, authority } from '../support/certificate.ts';
import { type MailOptions, MailServer } from '../support/mail.ts';
import type { Server } from '../support/postroom.ts';
import { type Options, type Run, recipient, sendTest, signIns } from '../support/send-test.ts';

const account = { user: 'anna', password: 'only-for-this-test' };
const CREDENTIALS: Server = { username: account.user, password: { value: account.password } };

interface Fixtures {
  issuer: Authority;
  /** The issuer's certificate as a file. */
  ca: string;
  to: string;
  peer: (options?: MailOptions) => Promise<MailServer>;
  send: (mail: MailServer, server: Server, options?: Options) => Promise<Run>;
}

const test = base.extend<Fixtures>({
  issuer: async ({}, use) => use(authority()),
  ca: async ({ issuer }, use, info) => {
    const file = info.outputPath('ca.pem');
    await writeFile(file, issuer.cert);
    await use(file);
  },
  to: async ({}, use) => use(recipient()),
  peer: async ({}, use) => {
    const started: MailServer[] = [];
    await use(async (options) => {
      const mail = await MailServer.start(options);
      started.push(mail);
      return mail;
    });
    await Promise.all(started.map((mail) => mail.stop()));
  },
  send: async ({ to }, use) =>
    use(async (mail, server, options = {}) => {
      const run = await sendTest({ host: 'localhost', port: mail.port, ...server }, { to, ...options });
      expect(run.stdout).not.toContain(account.password);
      return run;
    }),
});

/** It failed with this, and the server has nothing of it. */
function expectFailure(run: Run, mail: MailServer, code: number, finished: object): void {
  expect(run.finished).toMatchObject({ outcome: 'failed', ...finished });
  expect(run.code).toBe(code);
  expect(mail.received).toEqual([]);
}

test('a message arrives as it was sent, in clear', async ({ peer, send, to }) => {
  const mail = await peer();
  const run = await send(mail, {});
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'sent', stage: 'accepted', security: 'plaintext', queue_id: 'E2E1', recipients: [{ address: to, accepted: true }] });
  const received = await mail.message();
  expect(received).toMatchObject({ mailFrom: 'scan@example.com', rcptTo: [to], encrypted: false, user: undefined });
  expect(received.mail.subject).toBe('Test from Postroom through test');
});

test('a check sends nothing', async ({ peer, send }) => {
  const mail = await peer();
  const run = await send(mail, {}, { checkOnly: true });
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'checked', stage: 'rcpt_to' });
  expect(mail.received).toEqual([]);
  expect(mail.connections).toBe(1);
});

for (const [server, implicit] of [
  [{ starttls: 'enabled_and_required' }, false],
  [{ starttls: 'enabled' }, false],
  [{ protocol: 'smtps' }, true],
] as [Server, boolean][]) {
  for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
    test(`${JSON.stringify(server)} encrypts before AUTH ${mechanism}`, async ({ peer, send, issuer, ca }) => {
      const mail = await peer({ tls: { identity: issuer.issue(), implicit }, account, settings: { authMethods: [mechanism] } });
      const run = await send(mail, { ...server, ...CREDENTIALS }, { ca });
      expect(run.finished).toMatchObject({ outcome: 'sent', security: 'tls1.3' });
      const words = run.sent.filter(({ encrypted }) => !encrypted).map(({ line }) => line.split(' ')[0]);
      expect(words).toEqual(implicit ? [] : ['EHLO', 'STARTTLS']);
      expect(signIns(run)).toEqual([{ line: expect.stringMatching(new RegExp(`^AUTH ${mechanism}`)), encrypted: true }]);
      expect(await mail.message()).toMatchObject({ encrypted: true, user: 'anna' });
      expect(mail.signIns).toEqual([mechanism === 'CRAM-MD5' ? 'anna:?' : 'anna:only-for-this-test']);
    });
  }

  for (const [what, host, trusted, kind] of [
    ['an untrusted certificate', 'localhost', false, 'certificate_unknown_issuer'],
    ['a certificate for another name', '127.0.0.1', true, 'certificate_wrong_name'],
  ] as const) {
    test(`${what} ends ${JSON.stringify(server)}, and nothing goes on in clear`, async ({ peer, send, issuer, ca }) => {
      const mail = await peer({ tls: { identity: issuer.issue(), implicit }, account });
      const run = await send(mail, { ...server, ...CREDENTIALS, host, allow_plaintext_credentials: true }, { ca: trusted ? ca : undefined });
      expectFailure(run, mail, 29, { stage: 'tls', diagnosis: { kind } });
      expect(mail.signIns).toEqual([]);
      // A connection counts once its handshake is through: no second one came in clear.
      expect(mail.connections).toBe(implicit ? 0 : 1);
    });
  }
}

test('STARTTLS that is required and not offered ends it; where it is not required it goes on in clear and says so', async ({ peer, send }) => {
  const mail = await peer();
  expectFailure(await send(mail, { starttls: 'enabled_and_required' }), mail, 29, { stage: 'starttls', diagnosis: { kind: 'starttls_not_offered' } });
  const second = await send(mail, { starttls: 'enabled' });
  expect(second.finished).toMatchObject({ outcome: 'sent', security: 'plaintext', downgrade: 'not_offered' });
  expect(mail.received).toHaveLength(1);
});

for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
  test(`AUTH ${mechanism} in clear only where the entry allows it`, async ({ peer, send }) => {
    const mail = await peer({ account, settings: { authMethods: [mechanism] } });
    const run = await send(mail, CREDENTIALS);
    expectFailure(run, mail, 28, { stage: 'auth', diagnosis: { kind: 'plaintext_credentials' } });
    expect(signIns(run)).toEqual([]);
    expect(mail.signIns).toEqual([]);
    const allowed = await send(mail, { ...CREDENTIALS, allow_plaintext_credentials: true });
    expect(allowed.finished.outcome).toBe('sent');
    expect(mail.signIns).toHaveLength(1);
    expect(mail.received).toHaveLength(1);
  });
}

for (const mechanism of ['PLAIN', 'CRAM-MD5']) {
  test(`a wrong password is tried once with ${mechanism}`, async ({ peer, send, issuer, ca }) => {
    const mail = await peer({ tls: { identity: issuer.issue() }, account, settings: { authMethods: [mechanism] } });
    const run = await send(mail, { ...CREDENTIALS, password: { value: 'wrong' }, starttls: 'enabled_and_required' }, { ca });
    expectFailure(run, mail, 28, { stage: 'auth', reply: { code: 535, enhanced: '5.7.8' }, diagnosis: { kind: 'wrong_password' } });
    expect(mail.signIns).toHaveLength(1);
  });
}

test('a mechanism that we do not know is not guessed at', async ({ peer, send, issuer, ca }) => {
  const mail = await peer({ tls: { identity: issuer.issue() }, account, settings: { authMethods: ['XOAUTH2'] } });
  const run = await send(mail, { ...CREDENTIALS, starttls: 'enabled_and_required' }, { ca });
  expectFailure(run, mail, 28, { stage: 'auth', diagnosis: { kind: 'no_common_mechanism' } });
  expect(mail.signIns).toEqual([]);
});

test('a server that wants a sign-in first gets no message without one', async ({ peer, send }) => {
  const mail = await peer({ account });
  expectFailure(await send(mail, {}), mail, 23, { stage: 'mail_from', reply: { code: 530 }, diagnosis: { kind: 'sign_in_needed' } });
});

test('a size that the server tells is compared before anything is sent', async ({ peer, send }) => {
  const mail = await peer({ settings: { size: 300 } });
  const run = await send(mail, {});
  expectFailure(run, mail, 23, { stage: 'mail_from', reply: null, diagnosis: { kind: 'too_big' } });
  expect(run.sent.filter(({ line }) => line.startsWith('MAIL'))).toEqual([]);
});

test('a size that the server keeps to itself is learnt from its refusal', async ({ peer, send }) => {
  const mail = await peer({ settings: { size: 300, hideSize: true } });
  expectFailure(await send(mail, {}), mail, 26, { stage: 'accepted', reply: { code: 552, enhanced: '5.3.4' }, diagnosis: { kind: 'too_big' } });
});

test('SMTPUTF8 is used where an address needs it, and only where the server offers it', async ({ peer, send }) => {
  const to = `jörg.${recipient()}`;
  const mail = await peer();
  const run = await send(mail, {}, { to });
  expect(run.finished.outcome).toBe('sent');
  expect(run.sent.map(({ line }) => line)).toContainEqual(expect.stringMatching(/^MAIL FROM:<scan@example\.com> .*SMTPUTF8$/));
  expect((await mail.message()).rcptTo).toEqual([to]);
  const without = await peer({ settings: { hideSMTPUTF8: true } });
  const refused = await send(without, {}, { to });
  expectFailure(refused, without, 23, { stage: 'mail_from', reply: null, diagnosis: { kind: 'smtputf8_not_offered' } });
  expect(refused.sent.filter(({ line }) => line.startsWith('MAIL'))).toEqual([]);
});

test('a recipient that is refused is named, and the other one gets the message', async ({ peer, send, to }) => {
  const mail = await peer({ refuses: [`nobody-${to}`] });
  const run = await send(mail, {}, { to: `nobody-${to}, ${to}` });
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'sent', partial: true });
  expect(run.finished.recipients).toMatchObject([
    { address: `nobody-${to}`, accepted: false, reply: { code: 550, enhanced: '5.1.1' } },
    { address: to, accepted: true },
  ]);
  expect((await mail.message()).rcptTo).toEqual([to]);
  expectFailure(await send(await peer({ refuses: [to] }), {}), await peer(), 24, { stage: 'rcpt_to', diagnosis: { kind: 'unknown_recipient' } });
});

test('too many connections at once are turned away as that', async ({ peer, send }) => {
  const mail = await peer({ settings: { maxClients: 1 } });
  const other = connect(mail.port, '127.0.0.1');
  await new Promise((resolve) => other.once('data', resolve));
  const run = await send(mail, {});
  other.destroy();
  expectFailure(run, mail, 21, { stage: 'greeting', reply: { code: 421 }, diagnosis: { kind: 'server_busy' } });
});
