// Azure OAuth by every strategy: a token from a third party's sign-in service, checked by a third party's mail server.

import type { Page } from '@playwright/test';
import type { SMTPServerOptions } from 'smtp-server';
import { ofApplication } from '../support/certificate.ts';
import { MailServer } from '../support/mail.ts';
import { type Refusal, SignInService, refusal as refuse } from '../support/oauth.ts';
import { Postroom, type Server } from '../support/postroom.ts';
import { sendTest as sendFromShell } from '../support/send-test.ts';
import { expect, expectOutcome, open, running, sendTest, test as base, tryIt } from '../support/test.ts';

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

interface Azure {
  application_id: string;
  tenant?: string;
  strategy?: string;
  provider?: string;
  authority?: string;
  sign_in_url?: string;
  scope?: string;
}

const entry = (port: number): Server & { azure_oauth: Azure } => ({
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

/** An entry with another strategy, and no password. */
const signingIn = (port: number, azure: Partial<Azure>): Server & { azure_oauth: Azure } => {
  const { password: _, ...rest } = entry(port);
  return { ...rest, azure_oauth: { ...rest.azure_oauth, tenant: 'example.com', ...azure } };
};

test('from the command line every other strategy sends, too', async ({ service, server }) => {
  const env = { POSTROOM_OAUTH_AUTHORITY: service.authority };
  const to = { from: USER, to: 'anna@example.com', env };
  service.actsFor = USER;
  const own = ofApplication();
  service.certificate = own.cert;
  const azure = (strategy: string) => ({ azure_oauth: { ...entry(0).azure_oauth, tenant: 'example.com', strategy } });
  const runs = [
    await sendFromShell({ ...entry(server.mail.port), ...azure('client_credentials') }, to),
    await sendFromShell({ ...signingIn(server.mail.port, { strategy: 'client_certificate' }), client_certificate: { value: own.cert + own.key } }, to),
    await sendFromShell(signingIn(server.mail.port, { strategy: 'device_code' }), {
      ...to,
      // What is typed has eight hexadecimal digits.
      person: async (asked) => service.enter(/\b[0-9A-F]{8}\b/.exec(asked)![0]),
    }),
    await sendFromShell(signingIn(server.mail.port, { strategy: 'authorization_code' }), {
      ...to,
      person: async (asked) => {
        await fetch(await service.accept(/^http\S+/m.exec(asked)![0]));
      },
    }),
  ];
  expect(runs.map(({ code, finished }) => [code, finished.outcome])).toEqual(runs.map(() => [0, 'sent']));
  expect(server.mail.received).toHaveLength(4);
  expect(server.shown).toEqual(runs.map(() => `XOAUTH2 ${USER}`));
  expect(service.requests.map(({ grant_type }) => grant_type)).toEqual(expect.arrayContaining(['client_credentials', 'authorization_code']));
  for (const { stdout } of runs) for (const secret of [PASSWORD, ...service.secrets]) expect(stdout).not.toContain(secret);
});

/** Signs in at the service, from the page of the entry's sign-in, and comes back. */
async function signIn(page: Page, id: number, { scripts = true, agrees = true } = {}): Promise<void> {
  await page.goto(`/servers/${id}/azure`);
  await page.getByRole('main').getByRole('button', { name: /^Sign in/ }).click();
  if (!scripts) await page.getByRole('link', { name: /^Go to 127\.0\.0\.2/ }).click();
  await expect(page.getByRole('heading', { name: 'Sign-in service' })).toBeVisible();
  await page.getByRole('button', { name: agrees ? 'Accept' : 'Decline' }).click();
  if (!scripts) await page.getByRole('button', { name: 'Finish signing in' }).click();
}

/** Nothing that was handed out is on the page or in the log. */
async function expectNothingTold(page: Page, service: SignInService, log: string): Promise<void> {
  expect(service.secrets.length).toBeGreaterThan(0);
  const content = `${page.url()} ${await page.content()}`;
  for (const secret of service.secrets) {
    expect(content).not.toContain(secret);
    expect(log).not.toContain(secret);
  }
}

test('an application shows its certificate, and signs in as the mailbox', async ({ page, postroom, service, server }) => {
  const own = ofApplication();
  service.actsFor = USER;
  const { id } = await postroom.create({
    name: 'mail',
    ...signingIn(server.mail.port, { strategy: 'client_certificate' }),
    client_certificate: { value: own.cert + own.key },
  });
  // One that wasn't uploaded.
  service.certificate = ofApplication().cert;
  await open(page, `/servers/${id}`);
  await sendTest(page, USER, 'anna@example.com');
  await expectOutcome(page, /^Not sent\./);
  await expect(tryIt(page).getByText('trace-700027').first()).toBeAttached();
  service.certificate = own.cert;
  await sendTest(page, USER, 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  expect((await server.mail.message()).user).toBe(USER);
  expect(service.requests.at(-1)).toMatchObject({ grant_type: 'client_credentials', client_assertion: expect.any(String) });
  expect(service.requests.at(-1)).not.toHaveProperty('client_secret');
  await expect(page.getByRole('link', { name: /Client certificate$/ })).toBeVisible();
  await expectNothingTold(page, service, postroom.log);
});

for (const scripts of [true, false]) {
  test.describe(scripts ? 'with scripts' : 'without scripts', () => {
    test.use({ javaScriptEnabled: scripts });

    test('somebody signs in on another site, comes back, and mail goes out as whom he signed in', async ({ page, postroom, service, server }) => {
      const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, { strategy: 'authorization_code' }) });
      await page.goto('/');
      await expect(page.getByText('Not signed in')).toBeVisible();
      await page.goto(`/servers/${id}`);
      await expect(page.getByText('Not signed in')).toBeVisible();
      await signIn(page, id, { scripts });
      await expect(page).toHaveURL(`${postroom.url}/servers/${id}/azure`);
      await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible();
      await expectNothingTold(page, service, postroom.log);
      expect(await page.context().cookies()).not.toContainEqual(expect.objectContaining({ name: '__Host-postroom-sign-in' }));
      expect(service.requests.at(-1)).toMatchObject({ grant_type: 'authorization_code', redirect_uri: expect.stringMatching(/^http:\/\/localhost:\d+\/oauth\/callback$/) });

      await page.getByRole('link', { name: 'Back to try it' }).click();
      if (scripts) await running(page);
      await sendTest(page, USER, 'anna@example.com');
      await expect(tryIt(page).getByText(/^Sent\. /).first()).toBeVisible({ timeout: 20_000 });
      expect((await server.mail.message()).user).toBe(USER);
      expect(server.shown.at(-1)).toBe(`XOAUTH2 ${USER}`);

      // Each renewal brings what the next one takes.
      for (let round = 0; round < 2; round += 1) {
        await page.goto(`/servers/${id}/azure`);
        await page.getByRole('button', { name: 'Renew now' }).click();
        await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible();
        expect(service.requests.at(-1)).toMatchObject({ grant_type: 'refresh_token' });
      }
      await expectNothingTold(page, service, postroom.log);

      // Signing out forgets all of it.
      await page.locator('summary', { hasText: 'Sign out' }).click();
      await page.getByRole('button', { name: `Sign out ${USER}` }).click();
      await expect(page.getByText('Nobody has signed in yet')).toBeVisible();
      const asked = service.requests.length;
      await page.goto(`/servers/${id}`);
      if (scripts) await running(page);
      await sendTest(page, USER, 'anna@example.com');
      await expect(tryIt(page).getByText(/^Not sent\. /).first()).toBeVisible({ timeout: 20_000 });
      expect([service.requests.length, server.mail.received.length]).toEqual([asked, 1]);
    });

    test('a sign-in that is declined says so, and nothing is kept', async ({ page, postroom, service, server, complaints }) => {
      complaints.expect(/status of 502/);
      const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, { strategy: 'authorization_code' }) });
      await signIn(page, id, { scripts, agrees: false });
      await expect(page.getByRole('heading', { level: 1, name: 'Not signed in' })).toBeVisible();
      await expect(page.getByText('trace-65004')).toBeVisible();
      expect(page.url()).not.toContain('state=');
      expect(service.requests).toHaveLength(0);
      await page.getByRole('link', { name: 'Back to Azure OAuth' }).click();
      await expect(page.getByText('Nobody has signed in yet')).toBeVisible();
    });
  });
}

test.describe('another browser', () => {
  test.use({ javaScriptEnabled: false });

  test('does not finish what was begun here', async ({ page, browser, postroom, service, server }) => {
    const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, { strategy: 'authorization_code' }) });
    await page.goto(`/servers/${id}/azure`);
    await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    const back = await service.accept((await page.getByRole('link', { name: /^Go to/ }).getAttribute('href')) ?? '');
    const other = await browser.newContext({ baseURL: postroom.url });
    await other.addCookies(postroom.cookies());
    const elsewhere = await other.newPage();
    await elsewhere.goto(back);
    await expect(elsewhere.getByText('begun in another browser')).toBeVisible();
    await expect(elsewhere.getByRole('button', { name: 'Finish signing in' })).toHaveCount(0);
    expect(service.requests).toHaveLength(0);
    await other.close();
    // Here it still does, once.
    await page.goto(back);
    await page.getByRole('button', { name: 'Finish signing in' }).click();
    await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible();
    expect(service.requests).toHaveLength(1);
  });
});

test('a code that somebody types elsewhere shows by itself, and mail goes out', async ({ page, postroom, service, server }) => {
  const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, { strategy: 'device_code' }) });
  await open(page, `/servers/${id}/azure`);
  await page.getByRole('button', { name: 'Get a code' }).click();
  const panel = page.getByRole('region', { name: 'Enter this code' });
  await expect(panel.getByRole('link')).toHaveAttribute('href', `${service.authority}/device`);
  await expect(panel.getByText('Waiting for somebody')).toBeVisible();
  await running(page);
  service.enter((await panel.locator('output').textContent()) ?? '');
  await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible({ timeout: 20_000 });
  await expect(panel).toHaveCount(0);
  await expect(page).toHaveURL(`${postroom.url}/servers/${id}/azure`);
  await expectNothingTold(page, service, postroom.log);
  await open(page, `/servers/${id}`);
  await sendTest(page, USER, 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  expect((await server.mail.message()).user).toBe(USER);
});

test('a code that is declined or given up comes to nothing', async ({ page, postroom, service, server }) => {
  const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, { strategy: 'device_code' }) });
  await open(page, `/servers/${id}/azure`);
  await page.getByRole('button', { name: 'Get a code' }).click();
  const panel = page.getByRole('region', { name: 'Enter this code' });
  await running(page);
  service.enter((await panel.locator('output').textContent()) ?? '', false);
  await expect(page.getByRole('region', { name: 'The code came to nothing' })).toContainText('trace-70017', { timeout: 20_000 });
  await running(page);
  await page.getByRole('button', { name: 'Get a code' }).click();
  await panel.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('Nobody has signed in yet')).toBeVisible();
  await expect(panel).toHaveCount(0);
});

test.describe('a code without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('is looked after by a link', async ({ page, postroom, service, server }) => {
    const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, { strategy: 'device_code' }) });
    await page.goto(`/servers/${id}/azure`);
    await page.getByRole('button', { name: 'Get a code' }).click();
    service.enter((await page.getByRole('region', { name: 'Enter this code' }).locator('output').textContent()) ?? '');
    await expect(async () => {
      await page.getByRole('link', { name: 'Look again' }).click({ timeout: 1_000 });
      await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible({ timeout: 1_000 });
    }).toPass();
  });
});

test('a sign-in that is over is told before the first mail fails, with what support asks for', async ({ page, postroom, service, server, complaints }) => {
  complaints.expect(/status of 502/);
  const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, { strategy: 'authorization_code' }) });
  await signIn(page, id);
  await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible();
  service.refusal = refuse('invalid_grant', 50173);
  await page.getByRole('button', { name: 'Renew now' }).click();
  await expect(page.getByText('Trace id: trace-50173')).toBeVisible();
  await expect(page.getByText('Correlation id: correlation-50173')).toBeVisible();
  await expect(page.getByText(/^Sign-in failing since/)).toBeVisible();
  await page.goto('/');
  await expect(page.getByText(/^Sign-in failing since/)).toBeVisible();
  service.refusal = undefined;
  await signIn(page, id);
  await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible();
  await page.goto('/');
  await expect(page.getByText(/^Sign-in failing since/)).toHaveCount(0);
});

test('another provider is asked where one says', async ({ page, postroom, service, server }) => {
  const azure = { application_id: 'postroom', provider: 'other', authority: service.endpoint('token'), sign_in_url: service.endpoint('authorize'), scope: 'mail offline_access', strategy: 'authorization_code' };
  const { tenant: _, ...azure_oauth } = { ...signingIn(0, {}).azure_oauth, ...azure };
  const { id } = await postroom.create({ name: 'mail', ...signingIn(server.mail.port, {}), ...{ azure_oauth } });
  await open(page, `/servers/${id}/azure`);
  await expect(page.getByRole('heading', { name: 'What to set up at the provider' })).toBeVisible();
  await expect(page.getByRole('main')).not.toContainText('Microsoft');
  await signIn(page, id);
  await expect(page.getByText(`Signed in as ${USER}`)).toBeVisible();
  await page.getByRole('link', { name: 'Back to try it' }).click();
  await running(page);
  await sendTest(page, USER, 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  expect((await server.mail.message()).user).toBe(USER);
});

test('every field of Azure OAuth can be filled in, and says when it counts', async ({ page, postroom, server }) => {
  const { id } = await postroom.create({ name: 'mail', ...entry(server.mail.port) });
  await open(page, `/servers/${id}`);
  await page.getByLabel('Azure strategy').selectOption('Application (client secret)');
  await expect(page.getByText("is the application's client secret, not the mailbox's password")).toBeVisible();
  await page.getByLabel('Client secret expires').fill('2027-01-31');
  await page.getByText('More', { exact: true }).click();
  await expect(page.getByLabel('Shared mailbox')).toBeHidden();
  await page.getByLabel('Azure strategy').selectOption('Sign in in the browser');
  await page.getByLabel('Shared mailbox').fill('team@example.com');
  await page.getByLabel('Sign-in service', { exact: true }).selectOption('Google');
  await expect(page.getByLabel('Azure tenant')).toBeHidden();
  await page.getByLabel('Sign-in service', { exact: true }).selectOption('Microsoft');
  await page.getByLabel('SMTP hostname').fill('smtp.office365.com');
  await page.getByLabel('Azure OAuth enabled').uncheck();
  await expect(page.getByText('Microsoft takes no passwords here')).toBeVisible();
  await page.getByLabel('Azure OAuth enabled').check();
  await expect(page.getByText('Microsoft takes no passwords here')).toHaveCount(0);
});
