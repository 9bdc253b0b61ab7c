// The binary against Postfix: what it tells, what Postfix got, and what did not happen.

import { connect } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test as base, expect } from '@playwright/test';
import { type Authority, authority } from '../support/certificate.ts';
import { ACCOUNT, Postfix, type Service } from '../support/postfix.ts';
import { Postroom, type Server } from '../support/postroom.ts';
import { run, submitParts, submitToken } from '../support/sending.ts';
import { type Event, type Finished, type Options, type Run, recipient, sendTest, signIns } from '../support/send-test.ts';

const CREDENTIALS: Server = { username: ACCOUNT.username, password: { value: ACCOUNT.password } };

interface PerWorker {
  peer: { postfix: Postfix; ca: string; issuer: Authority; clients: Authority };
}
interface PerTest {
  postfix: Postfix;
  /** The file of the authority that issued Postfix's certificate for `localhost`. */
  ca: string;
  /** A recipient of this test only. */
  to: string;
  send: (service: Service, server: Server, options?: Options) => Promise<Run>;
  /** A server with what it trusts. */
  postroom: Postroom;
}

const test = base.extend<PerTest, PerWorker>({
  peer: [
    async ({}, use) => {
      const [issuer, clients] = [authority(), authority()];
      const postfix = await Postfix.start(issuer.issue(), clients.cert);
      const ca = join(postfix.daemon.dir, 'ca.pem');
      await writeFile(ca, issuer.cert);
      await use({ postfix, ca, issuer, clients });
      await postfix.stop();
    },
    { scope: 'worker' },
  ],
  postfix: async ({ peer }, use, info) => {
    peer.postfix.mark();
    await use(peer.postfix);
    if (info.status !== info.expectedStatus) await info.attach('postfix', { body: peer.postfix.log(), contentType: 'text/plain' });
  },
  ca: async ({ peer }, use) => use(peer.ca),
  to: async ({}, use) => use(recipient()),
  postroom: async ({}, use) => {
    const postroom = await Postroom.start();
    await use(postroom);
    await postroom.remove();
  },
  send: async ({ postfix, to }, use) =>
    use(async (service, server, options = {}) => {
      const run = await sendTest({ host: 'localhost', port: postfix.ports[service], ...server }, { to, ...options });
      // Never, whatever the test is about.
      expect(run.stdout).not.toContain(ACCOUNT.password);
      expect(run.stdout).not.toContain(Buffer.from(`\0${ACCOUNT.username}\0${ACCOUNT.password}`).toString('base64'));
      return run;
    }),
});

/** It failed as expected, and Postfix has nothing of it. */
async function expectNothing(postfix: Postfix, service: Service, to: string): Promise<string> {
  const log = await postfix.logOf(service);
  expect(log).not.toMatch(/: client=/);
  expect(postfix.mail(to)).toEqual([]);
  return log;
}

test('a message arrives as it was sent, in clear', async ({ postfix, send, to }) => {
  const run = await send('plain', {});
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'sent', stage: 'accepted', security: 'plaintext', diagnosis: null, partial: false });
  expect(run.finished.recipients).toEqual([{ address: to, accepted: true, reply: expect.objectContaining({ code: 250, enhanced: '2.1.5' }) }]);
  const log = await postfix.settled(run.finished.queue_id!);
  expect(log).toContain('from=<scan@example.com>');
  expect(log).toContain(`to=<${to}>, relay=virtual`);
  const [mail, ...more] = postfix.mail(to);
  expect(more).toEqual([]);
  expect(mail).toMatch(/^Subject: Test from Postroom through test$/m);
  expect(mail).toMatch(new RegExp(`^To: ${to}$`, 'm'));
  expect(mail).not.toMatch(/using TLS/);
  expect(await postfix.logOf('plain')).toMatch(/disconnect from .* ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5$/m);
});

test('without pipelining each command waits for its reply, and the message arrives all the same', async ({ postfix, send, to }) => {
  const run = await send('slow', {});
  expect(run.finished.outcome).toBe('sent');
  await postfix.settled(run.finished.queue_id!);
  expect(postfix.mail(to)).toHaveLength(1);
});

test('a check sends nothing and leaves politely', async ({ postfix, send, to }) => {
  const run = await send('plain', {}, { checkOnly: true });
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'checked', stage: 'rcpt_to' });
  expect(await postfix.logOf('plain')).toMatch(/disconnect from .* ehlo=1 mail=1 rcpt=1 rset=1 quit=1 commands=5$/m);
  expect(postfix.mail(to)).toEqual([]);
});

for (const [service, server, version] of [
  ['submission', { starttls: 'enabled_and_required' }, 'TLSv1.3'],
  ['submission', { starttls: 'enabled' }, 'TLSv1.3'],
  ['demanding', { starttls: 'enabled_and_required' }, 'TLSv1.3'],
  ['smtps', { protocol: 'smtps' }, 'TLSv1.3'],
  ['old', { starttls: 'enabled_and_required' }, 'TLSv1.2'],
] as [Service, Server, string][]) {
  test(`${service} with ${JSON.stringify(server)} encrypts with ${version} before anything is said`, async ({ postfix, send, to, ca }) => {
    const account = service === 'old' ? {} : CREDENTIALS;
    const run = await send(service, { ...server, ...account }, { ca });
    expect(run.finished).toMatchObject({ outcome: 'sent', security: version.replace('TLSv', 'tls') });
    expect(run.code).toBe(0);
    // In clear only what leads to the encryption.
    const words = run.sent.filter(({ encrypted }) => !encrypted).map(({ line }) => line.split(' ')[0]);
    expect(words).toEqual(server.protocol === 'smtps' ? [] : ['EHLO', 'STARTTLS']);
    if (service !== 'old') expect(signIns(run)).toEqual([{ line: 'AUTH PLAIN [credentials]', encrypted: true }]);
    await postfix.settled(run.finished.queue_id!);
    const [mail] = postfix.mail(to);
    expect(mail).toContain(`using ${version} with cipher`);
    const log = await postfix.logOf(service);
    if (service !== 'old') expect(log).toMatch(/sasl_method=PLAIN, sasl_username=anna/);
    expect(log).toMatch(server.protocol === 'smtps' ? /ehlo=1 auth=1 mail=1/ : /ehlo=2 starttls=1 (auth=1 )?mail=1/);
  });
}

for (const [what, host, trusted, kind] of [
  ['an untrusted certificate', 'localhost', false, 'certificate_unknown_issuer'],
  ['a certificate for another name', '127.0.0.1', true, 'certificate_wrong_name'],
] as const) {
  for (const [service, server] of [
    ['submission', { starttls: 'enabled' }],
    ['submission', { starttls: 'enabled_and_required' }],
    ['smtps', { protocol: 'smtps' }],
  ] as [Service, Server][]) {
    test(`${what} ends ${service} with ${JSON.stringify(server)}, and nothing goes on in clear`, async ({ postfix, send, to, ca }) => {
      const run = await send(service, { ...server, ...CREDENTIALS, host, allow_plaintext_credentials: true }, { ca: trusted ? ca : undefined });
      expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'tls', diagnosis: { kind } });
      expect(run.code).toBe(29);
      expect(signIns(run)).toEqual([]);
      expect(run.sent.filter(({ line }) => line.startsWith('MAIL'))).toEqual([]);
      const log = await expectNothing(postfix, service, to);
      expect(log.match(/[/]smtpd\[\d+\]: connect from/g)).toHaveLength(1);
      expect(log).not.toMatch(/auth=/);
    });
  }
}

test('STARTTLS that is required and not offered ends it; where it is not required it goes on in clear and says so', async ({ postfix, send, to }) => {
  const run = await send('plain', { starttls: 'enabled_and_required' });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'starttls', security: 'plaintext', diagnosis: { kind: 'starttls_not_offered' } });
  expect(run.code).toBe(29);
  expect(await expectNothing(postfix, 'plain', to)).toMatch(/ehlo=1 quit=1 commands=2$/m);
  const second = await send('plain', { starttls: 'enabled' });
  expect(second.finished).toMatchObject({ outcome: 'sent', security: 'plaintext', downgrade: 'not_offered' });
  await postfix.settled(second.finished.queue_id!);
  expect(postfix.mail(to)).toHaveLength(1);
});

for (const [service, what, required, downgrade] of [
  ['lame', 'is offered and refused', { stage: 'starttls', reply: { code: 454, enhanced: '4.7.0' }, diagnosis: { kind: 'starttls_refused' } }, 'refused'],
  ['bare', 'leads to no common encryption', { stage: 'tls', reply: null, diagnosis: { kind: 'no_common_tls' } }, 'handshake_failed'],
] as const) {
  test(`STARTTLS that ${what} ends it; where it is not required a new connection goes on in clear`, async ({ postfix, send, to, ca }) => {
    const run = await send(service, { starttls: 'enabled_and_required' }, { ca });
    expect(run.finished).toMatchObject({ outcome: 'failed', ...required });
    expect(run.code).toBe(29);
    await expectNothing(postfix, service, to);
    postfix.mark();
    const second = await send(service, { starttls: 'enabled' }, { ca });
    expect(second.finished).toMatchObject({ outcome: 'sent', security: 'plaintext', downgrade });
    const log = await postfix.settled(second.finished.queue_id!).then(() => postfix.logOf(service));
    expect(log.match(/[/]smtpd\[\d+\]: connect from/g)).toHaveLength(2);
    expect(postfix.mail(to)).toHaveLength(1);
  });
}

test('a server that demands encryption gets no message in clear, and the setting is named', async ({ postfix, send, to }) => {
  const run = await send('demanding', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'mail_from', reply: { code: 530, enhanced: '5.7.0' }, diagnosis: { kind: 'encryption_needed' } });
  expect(run.code).toBe(23);
  await expectNothing(postfix, 'demanding', to);
});

test('SMTPS on a port of SMTP and SMTP on a port of SMTPS are told apart', async ({ postfix, send, ca }) => {
  const smtps = await send('plain', { protocol: 'smtps' }, { ca });
  expect(smtps.finished).toMatchObject({ outcome: 'failed', diagnosis: { kind: 'needs_smtp' } });
  const smtp = await send('smtps', { timeout_ms: 1000 }, { ca });
  expect(smtp.finished).toMatchObject({ outcome: 'failed', stage: 'greeting' });
  expect(smtp.code).toBe(21);
  expect(postfix.log()).not.toMatch(/: client=/);
});

for (const [service, mechanism] of [
  ['clear', 'CRAM-MD5'],
  ['cram', 'CRAM-MD5'],
  ['login', 'LOGIN'],
] as [Service, string][]) {
  test(`${service} in clear: ${mechanism} only where the entry allows it`, async ({ postfix, send, to }) => {
    const refused = await send(service, CREDENTIALS);
    expect(refused.finished).toMatchObject({ outcome: 'failed', stage: 'auth', diagnosis: { kind: 'plaintext_credentials' } });
    expect(refused.code).toBe(28);
    expect(signIns(refused)).toEqual([]);
    expect(await expectNothing(postfix, service, to)).toMatch(/ehlo=1 quit=1 commands=2$/m);
    postfix.mark();
    const allowed = await send(service, { ...CREDENTIALS, allow_plaintext_credentials: true });
    expect(allowed.finished.outcome).toBe('sent');
    expect(signIns(allowed)).toEqual([{ line: `AUTH ${mechanism}`, encrypted: false }]);
    await postfix.settled(allowed.finished.queue_id!);
    expect(await postfix.logOf(service)).toContain(`sasl_method=${mechanism}, sasl_username=anna`);
    expect(postfix.mail(to)).toHaveLength(1);
  });
}

test('an account that is offered only inside is not used in clear even if that were allowed', async ({ postfix, send, to }) => {
  const run = await send('submission', { ...CREDENTIALS, allow_plaintext_credentials: true });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'auth', cause: 'auth_not_offered' });
  expect(signIns(run)).toEqual([]);
  expect(await expectNothing(postfix, 'submission', to)).not.toMatch(/auth=/);
});

test('a wrong password is tried once and said to be wrong', async ({ postfix, send, to, ca }) => {
  const run = await send('submission', { ...CREDENTIALS, password: { value: 'wrong' }, starttls: 'enabled_and_required' }, { ca });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'auth', security: 'tls1.3', reply: { code: 535, enhanced: '5.7.8' }, diagnosis: { kind: 'wrong_password' } });
  expect(run.code).toBe(28);
  const log = await expectNothing(postfix, 'submission', to);
  expect(log.match(/authentication failed/g)).toHaveLength(1);
  expect(log).toMatch(/auth=0\/1/);
});

test('relaying is denied without an account and granted with one', async ({ postfix, send, ca }) => {
  const to = recipient('elsewhere.example');
  const run = await send('submission', {}, { to });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'rcpt_to', reply: { code: 554, enhanced: '5.7.1' }, diagnosis: { kind: 'relay_denied' } });
  expect(run.finished.recipients).toEqual([expect.objectContaining({ address: to, accepted: false })]);
  expect(run.code).toBe(24);
  expect(await expectNothing(postfix, 'submission', to)).toMatch(/rcpt=0\/1/);
  const signedIn = await send('submission', { ...CREDENTIALS, starttls: 'enabled_and_required' }, { to, ca });
  expect(signedIn.finished.outcome).toBe('sent');
  expect(await postfix.settled(signedIn.finished.queue_id!)).toMatch(new RegExp(`to=<${to}>, relay=none, .*status=sent \\(elsewhere`));
});

test('a sender that belongs to somebody else is refused as that', async ({ postfix, send, to }) => {
  const run = await send('owned', { ...CREDENTIALS, allow_plaintext_credentials: true });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'mail_from', reply: { code: 553, enhanced: '5.7.1' }, diagnosis: { kind: 'sender_not_allowed' } });
  expect(run.code).toBe(23);
  await expectNothing(postfix, 'owned', to);
});

test('a size that the server tells is compared before anything is sent', async ({ postfix, send, to }) => {
  const run = await send('small', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'mail_from', reply: null, cause: 'too_big', diagnosis: { kind: 'too_big' } });
  expect(run.finished.diagnosis!.title).toContain('300');
  expect(run.code).toBe(23);
  expect(await expectNothing(postfix, 'small', to)).toMatch(/ehlo=1 quit=1 commands=2$/m);
});

test('a size that the server keeps to itself is learnt from its refusal', async ({ postfix, send, to }) => {
  const run = await send('silent', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'accepted', reply: { code: 552, enhanced: '5.3.4' }, diagnosis: { kind: 'too_big' } });
  expect(run.code).toBe(26);
  await postfix.logOf('silent');
  expect(postfix.mail(to)).toEqual([]);
});

test('SMTPUTF8 is used where an address needs it and the server offers it', async ({ postfix, send }) => {
  const to = `jörg.${recipient()}`;
  const run = await send('plain', {}, { to });
  expect(run.finished.outcome).toBe('sent');
  expect(run.sent.map(({ line }) => line)).toContainEqual(expect.stringMatching(/^MAIL FROM:<scan@example\.com> .*SMTPUTF8$/));
  expect(await postfix.settled(run.finished.queue_id!)).toContain(`to=<${to}>`);
  const [mail] = postfix.mail(to);
  expect(mail).toContain('with UTF8SMTP id');
  expect(mail).toMatch(new RegExp(`^To: ${to}$`, 'm'));
});

test('SMTPUTF8 is not used where nothing needs it', async ({ postfix, send, to }) => {
  const run = await send('plain', {}, { to });
  expect(run.sent.filter(({ line }) => line.includes('SMTPUTF8'))).toEqual([]);
  await postfix.settled(run.finished.queue_id!);
  expect(postfix.mail(to)[0]).not.toContain('UTF8SMTP');
});

test('an address that needs SMTPUTF8 is not sent to a server without it', async ({ postfix, send }) => {
  const to = `jörg.${recipient()}`;
  const run = await send('ascii', {}, { to });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'mail_from', reply: null, diagnosis: { kind: 'smtputf8_not_offered' } });
  expect(await expectNothing(postfix, 'ascii', to)).toMatch(/ehlo=1 quit=1 commands=2$/m);
});

test('a recipient that is unknown is named, and the other one gets the message', async ({ postfix, send, to }) => {
  const stranger = `nobody-${to}`;
  const run = await send('plain', {}, { to: `${stranger}, ${to}` });
  expect(run.code).toBe(0);
  expect(run.finished).toMatchObject({ outcome: 'sent', partial: true });
  expect(run.finished.recipients).toEqual([
    { address: stranger, accepted: false, reply: expect.objectContaining({ code: 550, enhanced: '5.1.1' }) },
    { address: to, accepted: true, reply: expect.objectContaining({ code: 250 }) },
  ]);
  const log = await postfix.settled(run.finished.queue_id!);
  expect(log.match(/status=sent/g)).toHaveLength(1);
  expect(postfix.mail(to)).toHaveLength(1);
});

test('where all recipients are unknown, nothing is sent', async ({ postfix, send, to }) => {
  const run = await send('plain', {}, { to: `nobody-${to}` });
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'rcpt_to', reply: { code: 550, enhanced: '5.1.1' }, diagnosis: { kind: 'unknown_recipient' } });
  expect(run.code).toBe(24);
  await expectNothing(postfix, 'plain', to);
});

test('greylisting is told from a refusal', async ({ postfix, send, to }) => {
  const run = await send('greylist', {});
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'rcpt_to', reply: { code: 450, enhanced: '4.7.1' }, diagnosis: { kind: 'greylisted' } });
  expect(run.code).toBe(24);
  await expectNothing(postfix, 'greylist', to);
});

test('too many connections at once are turned away as that', async ({ postfix, send, to }) => {
  const other = connect(postfix.ports.single, '127.0.0.1');
  await new Promise((resolve) => other.once('data', resolve));
  const run = await send('single', {});
  other.destroy();
  expect(run.finished).toMatchObject({ outcome: 'failed', stage: 'greeting', reply: { code: 421, enhanced: '4.7.0' }, diagnosis: { kind: 'server_busy' } });
  expect(run.code).toBe(21);
  await expectNothing(postfix, 'single', to);
});

interface Report {
  headline: string;
  events: (Event | Finished)[];
}

/** Sends a test through a server that keeps what it trusts, and gives its end and its warnings. */
async function through(postroom: Postroom, id: number, to: string): Promise<{ finished: Finished; warnings: Event[] }> {
  const { events } = await postroom.api<Report>('servers/test', { id, from: 'scan@example.com', to });
  return { finished: events.at(-1) as Finished, warnings: events.filter(({ event }) => event === 'warning') as Event[] };
}

interface Inspection {
  chain: { pem: string }[];
  findings: { kind: string }[];
}

test("once Postfix's own authority is imported, a message passes without a warning; before, nothing does", async ({ postfix, postroom, peer, to }) => {
  const { id } = await postroom.create({ name: 'postfix', host: 'localhost', port: postfix.ports.submission, starttls: 'enabled', ...CREDENTIALS });
  const before = await through(postroom, id, to);
  expect(before.finished).toMatchObject({ outcome: 'failed', stage: 'tls', diagnosis: { kind: 'certificate_unknown_issuer' } });
  await expectNothing(postfix, 'submission', to);
  await postroom.api('certificates/add', { pem: peer.issuer.cert });
  const after = await through(postroom, id, to);
  expect(after).toMatchObject({ finished: { outcome: 'sent', security: 'tls1.3', trusted_by: { how: 'authority' } }, warnings: [] });
  await postfix.settled(after.finished.queue_id!);
  expect(postfix.mail(to)).toHaveLength(1);
  expect((await postroom.trusted())[0]?.used_by).toEqual([[id, 'postfix']]);
});

for (const [service, server] of [
  ['submission', { starttls: 'enabled_and_required' }],
  ['smtps', { protocol: 'smtps' }],
] as [Service, Server][]) {
  test(`what ${service} presents is inspected without a word of the account, and pinned for it alone`, async ({ postfix, postroom, to }) => {
    const { id } = await postroom.create({ name: 'postfix', host: 'localhost', port: postfix.ports[service], ...server, ...CREDENTIALS });
    const { chain, findings } = await postroom.api<Inspection>('servers/inspect', { id });
    expect(findings.map(({ kind }) => kind)).toEqual(['unknown_issuer']);
    const log = await expectNothing(postfix, service, to);
    expect(log).not.toMatch(/auth=|mail=/);
    await postroom.api('certificates/pin', { host: 'localhost', port: postfix.ports[service], pem: chain[0]!.pem });
    const run = await through(postroom, id, to);
    expect(run).toMatchObject({ finished: { outcome: 'sent', trusted_by: { how: 'pin' } }, warnings: [] });
    await postfix.settled(run.finished.queue_id!);
    expect(postfix.mail(to)).toHaveLength(1);
    // The same certificate at another port of the same host is nobody's.
    const other = service === 'smtps' ? ('demanding' as const) : ('smtps' as const);
    const elsewhere = await postroom.create({ name: 'elsewhere', host: 'localhost', port: postfix.ports[other], ...(other === 'smtps' ? { protocol: 'smtps' } : { starttls: 'enabled' }) });
    expect((await through(postroom, elsewhere.id, to)).finished).toMatchObject({ outcome: 'failed', stage: 'tls', diagnosis: { kind: 'certificate_unknown_issuer' } });
  });
}

test('a client certificate that Postfix asks for opens the door, and nothing else does', async ({ postfix, postroom, peer, to }) => {
  await postroom.api('certificates/add', { pem: peer.issuer.cert });
  const saved = await postroom.create({ name: 'postfix', host: 'localhost', port: postfix.ports.certified, protocol: 'smtps' });
  expect((await through(postroom, saved.id, to)).finished).toMatchObject({ outcome: 'failed' });
  await expectNothing(postfix, 'certified', to);
  postfix.mark();
  const stranger = authority().issue({ name: 'stranger.example.com' });
  const { version } = await postroom.save(saved, { client_certificate: { value: stranger.cert + stranger.key } });
  expect((await through(postroom, saved.id, to)).finished).toMatchObject({ outcome: 'failed' });
  await expectNothing(postfix, 'certified', to);
  postfix.mark();
  const own = peer.clients.issue({ name: 'postroom.example.com' });
  await postroom.save({ id: saved.id, version }, { client_certificate: { value: own.cert + own.key } });
  const run = await through(postroom, saved.id, to);
  expect(run).toMatchObject({ finished: { outcome: 'sent' }, warnings: [] });
  await postfix.settled(run.finished.queue_id!);
  const [mail] = postfix.mail(to);
  // The subject that Postfix verified stands in its Received line.
  expect(mail).toMatch(/Client CN "postroom test postroom\.example\.com", Issuer "postroom test authority [0-9a-f]+" \(verified OK\)/);
});

test('messages of applications go through Postfix on one connection, whole, and Python finds no defect in them', async ({ postfix, postroom, peer, to }) => {
  await postroom.api('certificates/add', { pem: peer.issuer.cert });
  const server: Server = { host: 'localhost', port: postfix.ports.submission, starttls: 'enabled_and_required', ...CREDENTIALS };
  await postroom.create({ name: 'attach', ...server });
  await postroom.create({ name: 'link', ...server, attachment_as_url: true, attachment_threshold_bytes: 1000 });
  const token = await submitToken(postroom);
  const content = randomBytes(2_000_000);
  const files = [{ name: 'Übersicht „final“.pdf', type: 'application/pdf', content }];
  const texts = { from: 'Scän <scan@example.com>', to, subject: `Grüße ${'sehr '.repeat(30)}lang`, text: 'Hallo\n.\n..\nWelt', html: '<p>Hallo</p>' };
  const ids: string[] = [];
  for (const name of ['attach', 'attach', 'link']) {
    const { status, report } = await submitParts(postroom, token, { ...texts, server: name }, files);
    expect([status, report.security, report.links.length], report.message).toEqual([200, 'tls1.3', name === 'link' ? 1 : 0]);
    ids.push(report.queue_id!);
  }
  for (const id of ids) await postfix.settled(id);
  const delivered = postfix.mail(to);
  expect(delivered).toHaveLength(3);
  const python = `
import email, hashlib, json, sys
from email import policy
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=policy.SMTP)
parts = list(mail.walk())
files = [[part.get_filename(), hashlib.sha256(part.get_content()).hexdigest()] for part in mail.iter_attachments()]
print(json.dumps([[str(d) for part in parts for d in part.defects], mail['subject'], mail.get_body(('plain',)).get_content(), files]))`;
  const sha256 = createHash('sha256').update(content).digest('hex');
  let links = 0;
  for (const mail of delivered) {
    const ran = await run('python3', ['-c', python], { input: mail });
    expect(ran.stderr).toBe('');
    const [defects, subject, text, attached] = JSON.parse(ran.stdout) as [string[], string, string, [string, string][]];
    expect([defects, subject]).toEqual([[], texts.subject]);
    expect(text.replaceAll('\r\n', '\n')).toContain(texts.text);
    if (text.includes('/d/')) links += 1;
    else expect(attached).toEqual([['Übersicht „final“.pdf', sha256]]);
  }
  expect(links).toBe(1);
  await postroom.stop();
  expect((await postfix.logOf('submission')).split('\n').filter((line) => /\]: connect from/.test(line))).toHaveLength(2);
});
