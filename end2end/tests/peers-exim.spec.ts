// The binary against Exim: what it tells, what Exim got, and what did not happen.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test as base, expect } from '@playwright/test';
import { authority } from '../support/certificate.ts';
import { ACCOUNT, Exim, type Service } from '../support/exim.ts';
import type { Server } from '../support/postroom.ts';
import { type Options, type Run, recipient, sendTest, signIns } from '../support/send-test.ts';

const CREDENTIALS: Server = { username: ACCOUNT.username, password: { value: ACCOUNT.password } };

interface PerTest {
  exim: Exim;
  /** The file of the authority that issued Exim's certificate for `localhost`. */
  ca: string;
  /** A recipient of this test only. */
  to: string;
  send: (service: Service, server: Server, options?: Options) => Promise<Run>;
}

const test = base.extend<PerTest, { peer: { exim: Exim; ca: string } }>({
  peer: [
    async ({}, use) => {
      const issuer = authority();
      const exim = await Exim.start(issuer.issue());
      const ca = join(exim.daemon.dir, 'ca.pem');
      await writeFile(ca, issuer.cert);
      await use({ exim, ca });
      await exim.stop();
    },
    { scope: 'worker' },
  ],
  exim: async ({ peer }, use, info) => {
    await peer.exim.mark();
    await use(peer.exim);
    if (info.status !== info.expectedStatus) await info.attach('exim', { body: await peer.exim.log(), contentType: 'text/plain' });
  },
  ca: async ({ peer }, use) => use(peer.ca),
  to: async ({}, use) => use(recipient()),
  send: async ({ exim, to }, use) =>
    use(async (service, server, options = {}) => {
      const run = await sendTest({ host: 'localhost', port: exim.ports[service], ...server }, { to, ...options });
      expect(run.stdout).not.toContain(ACCOUNT.password);
      expect(run.stdout).not.toContain(Buffer.from(`\0${ACCOUNT.username}\0${ACCOUNT.password}`).toString('base64'));
      return run;
    }),
});

/** Exim took no message, and has none. */
async function expectNothing(exim: Exim, service: Service, to: string): Promise<string> {
  const log = await exim.logOf(service);
  expect(await exim.log()).not.toMatch(/ <= /);
  expect(await exim.mail(to)).toEqual([]);
  return log;
}

test('a message arrives as it was sent, in clear', async ({ exim, send, to }) => {
  const run = await send('plain', {});
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'sent', stage: 'accepted', security: 'plaintext', diagnosis: null, partial: false });
  expect(await exim.settled(run.finished.queue_id!)).toMatch(/ <= scan@example\.com .* P=esmtp .* for t\w+@example\.com$/m);
  const [mail, ...more] = await exim.mail(to);
  expect(more).toEqual([]);
  expect(mail).toMatch(/^Subject: Test from Postroom through test$/m);
  expect(mail).toMatch(new RegExp(`^Envelope-to: ${to}$`, 'm'));
});

test('a check sends nothing and leaves politely', async ({ exim, send, to }) => {
  const run = await send('plain', {}, { checkOnly: true });
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'checked', stage: 'rcpt_to' });
  expect(await expectNothing(exim, 'plain', to)).toMatch(/C=EHLO,MAIL,RCPT,RSET,QUIT$|closed by QUIT/m);
});

for (const [service, server, version] of [
  ['submission', { starttls: 'enabled_and_required' }, 'TLS1.3'],
  ['submission', { starttls: 'enabled' }, 'TLS1.3'],
  ['demanding', { starttls: 'enabled_and_required' }, 'TLS1.3'],
  ['old', { starttls: 'enabled_and_required' }, 'TLS1.2'],
  ['smtps', { protocol: 'smtps' }, 'TLS1.3'],
] as [Service, Server, string][]) {
  test(`${service} with ${JSON.stringify(server)} encrypts with ${version} before anything is said`, async ({ exim, send, to, ca }) => {
    const account = service === 'old' ? {} : CREDENTIALS;
    const run = await send(service, { ...server, ...account }, { ca });
    expect(run.finished).toMatchObject({ outcome: 'sent', security: version.toLowerCase() });
    expect(run.code).toBe(0);
    const words = run.sent.filter(({ encrypted }) => !encrypted).map(({ line }) => line.split(' ')[0]);
    expect(words).toEqual(server.protocol === 'smtps' ? [] : ['EHLO', 'STARTTLS']);
    expect(signIns(run)).toEqual(service === 'old' ? [] : [{ line: 'AUTH PLAIN [credentials]', encrypted: true }]);
    const log = await exim.settled(run.finished.queue_id!);
    expect(log).toContain(service === 'old' ? ' P=esmtps ' : ' P=esmtpsa ');
    expect(log).toContain(` X=${version}:`);
    if (service !== 'old') expect(log).toContain(` A=plain:${ACCOUNT.username}`);
    expect(await exim.mail(to)).toHaveLength(1);
  });
}

for (const [what, host, trusted, kind] of [
  ['an untrusted certificate', 'localhost', false, 'certificate_unknown_issuer'],
  ['a certificate for another name', '127.0.0.1', true, 'certificate_wrong_name'],
] as const) {
  for (const [service, server] of [
    ['submission', { starttls: 'enabled' }],
    ['smtps', { protocol: 'smtps' }],
  ] as [Service, Server][]) {
    test(`${what} ends ${service} with ${JSON.stringify(server)}, and nothing goes on in clear`, async ({ exim, send, to, ca }) => {
      const run = await send(service, { ...server, ...CREDENTIALS, host, allow_plaintext_credentials: true }, { ca: trusted ? ca : undefined });
      expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'tls', diagnosis: { kind } });
      expect(run.code).toBe(29);
      expect(signIns(run)).toEqual([]);
      expect(run.sent.filter(({ line }) => line.startsWith('MAIL'))).toEqual([]);
      await exim.logOf(service);
      const log = await exim.log();
      expect(log).not.toMatch(/ <= |A=/);
      // One connection, and no second one in clear.
      expect(log.match(/SMTP connection from \[127\.0\.0\.1\]:\d+ I=\S+ \(TCP\/IP connection count/g)).toHaveLength(1);
      expect(await exim.mail(to)).toEqual([]);
    });
  }
}

test('STARTTLS that is required and not offered ends it; where it is not required it goes on in clear and says so', async ({ exim, send, to }) => {
  const run = await send('plain', { starttls: 'enabled_and_required' });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'starttls', security: 'plaintext', diagnosis: { kind: 'starttls_not_offered' } });
  expect(run.code).toBe(29);
  await expectNothing(exim, 'plain', to);
  const second = await send('plain', { starttls: 'enabled' });
  expect(second.finished).toMatchObject({ outcome: 'sent', security: 'plaintext', downgrade: 'not_offered' });
  expect(await exim.settled(second.finished.queue_id!)).toContain(' P=esmtp ');
  expect(await exim.mail(to)).toHaveLength(1);
});

test('STARTTLS that leads to no common encryption ends it; where it is not required a new connection goes on in clear', async ({ exim, send, to, ca }) => {
  const run = await send('ancient', { starttls: 'enabled_and_required' }, { ca });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'tls', diagnosis: { kind: 'no_common_tls' } });
  expect(run.code).toBe(29);
  await expectNothing(exim, 'ancient', to);
  const second = await send('ancient', { starttls: 'enabled' }, { ca });
  expect(second.finished).toMatchObject({ outcome: 'sent', security: 'plaintext', downgrade: 'handshake_failed' });
  expect(await exim.settled(second.finished.queue_id!)).toContain(' P=esmtp ');
  expect(await exim.mail(to)).toHaveLength(1);
});

test('a server that demands encryption gets no message in clear', async ({ exim, send, to }) => {
  const run = await send('demanding', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'mail_from', reply: { code: 550, enhanced: '5.7.0' } });
  expect(run.code).toBe(23);
  await expectNothing(exim, 'demanding', to);
});

for (const [service, mechanism] of [
  ['clear', 'CRAM-MD5'],
  ['login', 'LOGIN'],
] as [Service, string][]) {
  test(`${service} in clear: ${mechanism} only where the entry allows it`, async ({ exim, send, to }) => {
    const refused = await send(service, CREDENTIALS);
    expect(refused.finished).toMatchObject({ outcome: 'failed', stage: 'auth', diagnosis: { kind: 'plaintext_credentials' } });
    expect(refused.code).toBe(28);
    expect(signIns(refused)).toEqual([]);
    expect(await expectNothing(exim, service, to)).not.toMatch(/AUTH|A=/);
    const allowed = await send(service, { ...CREDENTIALS, allow_plaintext_credentials: true });
    expect(allowed.finished.outcome).toBe('sent');
    expect(signIns(allowed)).toEqual([{ line: `AUTH ${mechanism}`, encrypted: false }]);
    expect(await exim.settled(allowed.finished.queue_id!)).toMatch(/ P=esmtpa .*A=(cram|login):anna/);
    expect(await exim.mail(to)).toHaveLength(1);
  });
}

test('an account that is offered only inside is not used in clear even if that were allowed', async ({ exim, send, to }) => {
  const run = await send('submission', { ...CREDENTIALS, allow_plaintext_credentials: true });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'auth', cause: 'auth_not_offered' });
  expect(signIns(run)).toEqual([]);
  await expectNothing(exim, 'submission', to);
});

test('a wrong password is tried once and said to be wrong', async ({ exim, send, to, ca }) => {
  const run = await send('submission', { ...CREDENTIALS, password: { value: 'wrong' }, starttls: 'enabled_and_required' }, { ca });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'auth', security: 'tls1.3', reply: { code: 535 }, diagnosis: { kind: 'wrong_password' } });
  expect(run.code).toBe(28);
  await expectNothing(exim, 'submission', to);
  expect((await exim.log()).match(/authenticator failed/g)).toHaveLength(1);
});

test('relaying is denied without an account and granted with one', async ({ exim, send, ca }) => {
  const to = recipient('elsewhere.example');
  const run = await send('submission', {}, { to });
  // Exim sends no enhanced code unless it is told to, and a bare 550 may mean both: the explanation names both.
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'rcpt_to', reply: { code: 550, enhanced: null }, diagnosis: { kind: 'unknown_recipient' } });
  expect(run.finished.diagnosis!.steps.join(' ')).toContain('only after a sign-in');
  expect(run.finished.recipients).toEqual([expect.objectContaining({ address: to, accepted: false })]);
  expect(run.code).toBe(24);
  await expectNothing(exim, 'submission', to);
  expect(await exim.log()).toContain(`rejected RCPT <${to}>: relay not permitted`);
  const signedIn = await send('submission', { ...CREDENTIALS, starttls: 'enabled_and_required' }, { to, ca });
  expect(signedIn.finished.outcome).toBe('sent');
  expect(await exim.settled(signedIn.finished.queue_id!)).toContain(`=> :blackhole: <${to}> R=elsewhere`);
});

test('a size that the server tells is compared before anything is sent', async ({ exim, send, to }) => {
  const run = await send('small', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'mail_from', reply: null, cause: 'too_big', diagnosis: { kind: 'too_big' } });
  expect(run.code).toBe(23);
  await expectNothing(exim, 'small', to);
});

test('SMTPUTF8 is used where an address needs it and the server offers it', async ({ exim, send }) => {
  const to = `jörg.${recipient()}`;
  const run = await send('utf8', {}, { to });
  expect(run.finished.outcome).toBe('sent');
  expect(run.sent.map(({ line }) => line)).toContainEqual(expect.stringMatching(/^MAIL FROM:<scan@example\.com> .*SMTPUTF8$/));
  expect(await exim.settled(run.finished.queue_id!)).toContain(' P=utf8esmtp ');
  expect(await exim.mail(`To: ${to}`)).toHaveLength(1);
});

test('an address that needs SMTPUTF8 is not sent to a server without it', async ({ exim, send }) => {
  const to = `jörg.${recipient()}`;
  const run = await send('plain', {}, { to });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'mail_from', reply: null, diagnosis: { kind: 'smtputf8_not_offered' } });
  expect(run.sent.filter(({ line }) => line.startsWith('MAIL'))).toEqual([]);
  await expectNothing(exim, 'plain', to);
});

test('a recipient that is unknown is named, and the other one gets the message', async ({ exim, send, to }) => {
  const stranger = `nobody-${to}`;
  const run = await send('plain', {}, { to: `${stranger}, ${to}` });
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'sent', partial: true });
  expect(run.finished.recipients).toEqual([
    { address: stranger, accepted: false, reply: expect.objectContaining({ code: 550, enhanced: '5.1.1' }) },
    { address: to, accepted: true, reply: expect.objectContaining({ code: 250 }) },
  ]);
  expect((await exim.settled(run.finished.queue_id!)).match(/ => /g)).toHaveLength(1);
  expect(await exim.mail(`Envelope-to: ${to}`)).toHaveLength(1);
});

test('where all recipients are unknown, nothing is sent, although DATA was sent ahead', async ({ exim, send, to }) => {
  const run = await send('plain', {}, { to: `nobody-${to}` });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'rcpt_to', reply: { code: 550, enhanced: '5.1.1' }, diagnosis: { kind: 'unknown_recipient' } });
  expect(run.code).toBe(24);
  await expectNothing(exim, 'plain', to);
});

test('greylisting is told from a refusal', async ({ exim, send, to }) => {
  const run = await send('greylist', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'rcpt_to', reply: { code: 451, enhanced: '4.7.1' }, diagnosis: { kind: 'greylisted' } });
  expect(run.code).toBe(24);
  await expectNothing(exim, 'greylist', to);
});

test('a server that is overloaded turns us away at the greeting', async ({ exim, send, to }) => {
  const run = await send('busy', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'greeting', reply: { code: 451, enhanced: '4.3.2' }, diagnosis: { kind: 'turned_away' } });
  expect(run.code).toBe(21);
  await expectNothing(exim, 'busy', to);
});

test('a message that is refused after the final dot is known not to be taken', async ({ exim, send, to }) => {
  const run = await send('picky', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'accepted', reply: { code: 550, enhanced: '5.7.1' } });
  expect(run.code).toBe(26);
  await expectNothing(exim, 'picky', to);
});
