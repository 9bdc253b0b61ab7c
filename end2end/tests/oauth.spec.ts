// Azure OAuth with username and password: a token from a third party's sign-in service, checked by a third party's mail server.

import type { SMTPServerOptions } from 'smtp-server';
import { MailServer } from '../support/mail.ts';
import { type Refusal, SignInService } from '../support/oauth.ts';
import { Postroom, type Server } from '../support/postroom.ts';
import { sendTest as sendFromShell } from '../support/send-test.ts';
import { expect, expectOutcome, open, sendTest, test as base, tryIt } from '../support/test.ts';

const USER = 'scan@example.com';
const PASSWORD = 'canary-oauth-8d41f0';

/** A mail server that takes tokens of `service` and nothing else, and what was shown to it. */
async function tokenServer(service: SignInService): Promise<{ mail: MailServer; shown: string[] }> {
  const shown: string[] = [];
  const settings: SMTPServerOptions = {
    disabledCommands: ['STARTTLS'],
    authMethods: ['XOAUTH2', 'PLAIN'],
    authOptional: false,
    onAuth: (auth, _session, done) => {
      shown.push(`${auth.method} ${auth.username}`);
      service
        .owner(auth.accessToken ?? '')
        .then((owner) => (owner === auth.username ? done(null, { user: owner }) : done(null, { data: { status: '401', schemes: 'bearer' } })))
        .catch(() => done(null, { data: { status: '401', schemes: 'bearer' } }));
    },
  };
  return { mail: await MailServer.start({ settings }), shown };
}

interface Fixtures {
  service: SignInService;
  server: { mail: MailServer; shown: string[] };
}

const test = base.extend<Fixtures>({
  service: async ({}, use) => {
    const service = await SignInService.start('example.com');
    await use(service);
    await service.stop();
  },
  server: async ({ service }, use) => {
    const server = await tokenServer(service);
    await use(server);
    await server.mail.stop();
  },
  postroom: async ({ service }, use) => {
    const postroom = await Postroom.start({ POSTROOM_OAUTH_AUTHORITY: service.authority });
    await use(postroom);
    await postroom.remove();
  },
});

const entry = (port: number): Server & { azure_oauth: { application_id: string } } => ({
  host: '127.0.0.1',
  port,
  username: USER,
  password: { value: PASSWORD },
  allow_plaintext_credentials: true,
  azure_oauth: { application_id: '11111111-2222-3333-4444-555555555555' },
});

test('a test email goes out with a token, and the password reaches the sign-in service only', async ({ page, postroom, service, server }) => {
  const { id } = await postroom.create({ name: 'mail', ...entry(server.mail.port) });
  await open(page, `/servers/${id}`);
  await sendTest(page, USER, 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  const { user, mailFrom } = await server.mail.message();
  expect([user, mailFrom]).toEqual([USER, USER]);
  expect(server.shown.at(-1)).toBe(`XOAUTH2 ${USER}`);
  expect(service.requests.at(-1)).toMatchObject({ grant_type: 'password', username: USER, password: PASSWORD });
  await expect(tryIt(page).getByText('Access token')).toBeVisible();
  expect(await page.content()).not.toContain(PASSWORD);
  expect(postroom.log).not.toContain(PASSWORD);
});

test('an application asks with its secret, and signs in as the mailbox', async ({ page, postroom, service, server, complaints }) => {
  complaints.expect(/status of 422/);
  const azure_oauth = { ...entry(0).azure_oauth, tenant: 'example.com', strategy: 'client_credentials' };
  service.actsFor = USER;
  const { id } = await postroom.create({ name: 'mail', ...entry(server.mail.port), ...{ azure_oauth } });
  await open(page, `/servers/${id}`);
  await sendTest(page, USER, 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  expect((await server.mail.message()).user).toBe(USER);
  expect(service.requests.at(-1)).toMatchObject({ grant_type: 'client_credentials', client_secret: PASSWORD });

  // The secret is the application's: nobody else's password, and no other application's secret.
  await page.getByLabel('Azure strategy').selectOption('password');
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expect(page.getByText(/stored password belongs to another/).first()).toBeVisible();
  expect(service.requests).toHaveLength(1);
});

test('a refusal is told in words, with what support asks for, and the mail server hears nothing', async ({ page, postroom, service, server }) => {
  const refusal: Refusal = {
    error: 'invalid_grant',
    error_description: 'AADSTS50076: Due to a configuration change made by your administrator, you must use multi-factor authentication.',
    error_codes: [50076],
    trace_id: '0b1c2d3e-trace',
    correlation_id: '4f5a6b7c-correlation',
  };
  service.refusal = refusal;
  const { id } = await postroom.create({ name: 'mail', ...entry(server.mail.port) });
  await open(page, `/servers/${id}`);
  await sendTest(page, USER, 'anna@example.com');
  await expectOutcome(page, /multi-factor authentication/);
  await expect(tryIt(page).getByText(refusal.trace_id).first()).toBeAttached();
  await expect(tryIt(page).getByText(refusal.correlation_id).first()).toBeAttached();
  expect(server.mail.connections).toBe(0);
});

test('from the command line it is the same', async ({ service, server }) => {
  const env = { POSTROOM_OAUTH_AUTHORITY: service.authority };
  const run = await sendFromShell(entry(server.mail.port), { from: USER, to: 'anna@example.com', env });
  expect([run.code, run.finished.outcome]).toEqual([0, 'sent']);
  expect(run.events[0]).toMatchObject({ event: 'begun', stage: 'token' });
  expect(run.stdout).not.toContain(PASSWORD);
  service.refusal = { error: 'invalid_client', error_description: 'AADSTS7000218', error_codes: [7000218], trace_id: 't', correlation_id: 'c' };
  const refused = await sendFromShell(entry(server.mail.port), { from: USER, to: 'anna@example.com', env });
  expect([refused.code, refused.finished.stage, refused.finished.diagnosis?.kind]).toEqual([28, 'token', 'public_client_off']);
  expect(server.mail.received).toHaveLength(1);
});
