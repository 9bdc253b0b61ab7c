// axe finds nothing, on every page and in its states: light and dark, wide and narrow. Nothing scrolls sideways.

import type { Page } from '@playwright/test';
import { expect, expectAccessible, expectOutcome, field, open, running, sendTest, test } from '../support/test.ts';
import { authority, selfSigned } from '../support/certificate.ts';
import type { MailOptions, MailServer } from '../support/mail.ts';
import { SignInService, refusal } from '../support/oauth.ts';
import type { Postroom } from '../support/postroom.ts';

/** Every page and state, each left as it is to be looked at. */
async function visit(page: Page, postroom: Postroom, mail: MailServer, look: (what: string) => Promise<void>): Promise<void> {
  await open(page, '/');
  await look('the empty list');
  await open(page, '/servers/new');
  await look('adding');
  await field(page, 'Name').fill('a b');
  await field(page, 'Name').press('Enter');
  await look('adding, refused');

  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, username: 'anna', password: { value: 'x' }, sender: 'Scan <scan@example.com>', allow_plaintext_credentials: true });
  await postroom.create({ name: 'fax'.padEnd(64, '-long'), kind: 'fax', protocol: 'smtps', host: `${'a-very-long-label-of-a-host-name.'.repeat(5)}example.com` });
  const fresh = await postroom.api<{ id: number }>('servers/create', { server: { name: 'fresh' } });
  await open(page, '/');
  await page.getByRole('checkbox', { name: 'Select mail' }).check();
  await look('the list with a selection');
  await open(page, '/?search=nothing-like-this');
  await look('the list without a match');
  await open(page, `/servers/${fresh.id}`);
  await look('a new entry');
  await open(page, `/servers/${id}`);
  await look('an entry');
  await page.getByText(/^Advanced/).click();
  await field(page, 'Azure OAuth enabled').check();
  await page.getByText('Change password').click();
  await field(page, 'SMTP hostname').fill('https://x');
  await field(page, 'SMTP port').fill('0');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await look('an entry, refused');
  await page.evaluate(() => window.onbeforeunload = null);
  await field(page, 'SMTP hostname').fill('127.0.0.1');
  await field(page, 'SMTP port').fill(String(mail.port));
  await field(page, 'Azure OAuth enabled').uncheck();
  await field(page, 'SMTP username').fill('');
  await page.getByRole('checkbox', { name: 'Remove password' }).check();
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  for (const summary of await page.locator('.stages summary').all()) await summary.click();
  await look('a test that went well');
  await field(page, 'StartTLS').selectOption('Enabled and required');
  await page.getByRole('button', { name: 'Send test email' }).click();
  await expectOutcome(page, /^Not sent\./);
  await look('a test that failed');
  page.once('dialog', (dialog) => void dialog.accept());
  await open(page, `/servers/trash?id=${id}&id=${fresh.id}`);
  await look('the question before trashing');
  await page.getByRole('button', { name: /^Trash 2/ }).click();
  await running(page);
  await look('the offer to undo');
  await page.getByRole('button', { name: 'Shortcuts' }).click();
  await look('the shortcuts');
  await page.goto('/nothing');
  await running(page);
  await look('nothing');
}

/** The same for everything about certificates. */
async function visitTrust(page: Page, postroom: Postroom, mailServer: (options: MailOptions) => Promise<MailServer>, look: (what: string) => Promise<void>): Promise<void> {
  await open(page, '/certificates');
  await look('certificates, none of our own');
  await open(page, '/certificates/import');
  await look('adding certificates');
  await page.getByLabel('Or paste PEM').fill('no certificate');
  await page.getByRole('button', { name: 'Preview' }).click();
  await running(page);
  await look('a file that is refused');
  const [ca, expired] = [authority(), selfSigned({ days: -1 })];
  await page.getByLabel('Or paste PEM').fill(ca.cert + expired.cert + ca.key);
  await page.getByRole('button', { name: 'Preview' }).click();
  await running(page);
  await page.locator('.certificates summary').first().click();
  await look('what is in a file');
  await page.getByRole('button', { name: 'Add 1 certificate' }).click();
  await running(page);
  const mail = await mailServer({ tls: { identity: selfSigned() } });
  const { id } = await postroom.create({ name: 'encrypted', host: 'localhost', port: mail.port, starttls: 'enabled_and_required' });
  await postroom.api('certificates/pin', { host: 'localhost', port: mail.port, pem: expired.cert, outlives: true });
  await open(page, '/certificates?all');
  for (const summary of await page.locator('.certificates summary').all()) await summary.click();
  await page.getByRole('main').getByRole('checkbox').last().check();
  await look('certificates with a selection, opened');
  await page.getByRole('group', { name: 'Selected certificates' }).getByRole('button', { name: 'Trash' }).click();
  await running(page);
  await look('the question before trashing certificates');
  await open(page, '/');
  await look('a list with a certificate that expired');
  await open(page, `/servers/${id}`);
  await page.getByRole('button', { name: 'Check connection' }).click();
  await expectOutcome(page, /^Check failed\./);
  await look('a certificate that is refused');
  await page.getByRole('button', { name: 'Inspect certificate' }).first().click();
  await expect(page.getByText('Presented now')).toBeVisible();
  await look('a certificate that changed');
  await page.getByRole('button', { name: 'Trust this one instead' }).click();
  await expect(page.getByText('Trusted. Check the connection now.')).toBeVisible();
  await look('a certificate that was trusted');
  const own = ca.issue({ name: 'postroom.example.com' });
  await open(page, `/servers/${id}/client-certificate`);
  await look('no client certificate');
  await page.getByLabel('Or paste PEM').fill(own.cert + own.key);
  await page.getByRole('button', { name: 'Keep this certificate' }).click();
  await running(page);
  await look('an entry with a client certificate that ends');
  await open(page, `/servers/${id}/client-certificate`);
  await page.getByText('Remove client certificate').first().click();
  await look('a client certificate');
}

/** The same for signing in at a sign-in service. */
async function visitSignIns(page: Page, postroom: Postroom, service: SignInService, look: (what: string) => Promise<void>): Promise<void> {
  const azure = { application_id: '11111111-2222-3333-4444-555555555555', tenant: 'example.com', authority: service.authority };
  const add = (name: string, strategy: string) =>
    postroom.api<{ id: number }>('servers/create', {
      server: { name, host: '127.0.0.1', port: 25, username: 'scan@example.com', allow_plaintext_credentials: true, azure_oauth: { ...azure, strategy } },
    });
  const [browser, device, password] = [await add('browser', 'authorization_code'), await add('device', 'device_code'), await add('password', 'password')];
  await open(page, `/servers/${password.id}/azure`);
  await look('a strategy with its limits');
  await open(page, `/servers/${browser.id}`);
  await look('every field of Azure OAuth');
  await open(page, `/servers/${browser.id}/azure`);
  await look('nobody signed in yet');
  // Where the program doesn't run, these two stay.
  const program = /\/assets\/app.*\.js$/;
  await page.route(program, (route) => route.fulfill({ contentType: 'text/javascript', body: 'export default () => {}; export const hydrate = () => {};' }));
  await page.goto(`/servers/${browser.id}/azure`);
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
  await look('the way to the sign-in service');
  await page.getByRole('link', { name: /^Go to/ }).click();
  await page.getByRole('button', { name: 'Accept' }).click();
  await look('back from the sign-in service');
  await page.unroute(program);
  await page.getByRole('button', { name: 'Finish signing in' }).click();
  await running(page);
  await page.locator('summary', { hasText: 'Sign out' }).click();
  await look('signed in');
  await open(page, '/oauth/callback?state=a&code=b');
  await look('a sign-in that is gone');
  service.refusal = refusal('invalid_grant', 50173);
  await open(page, `/servers/${browser.id}/azure`);
  await page.getByRole('button', { name: 'Renew now' }).click();
  await running(page);
  await look('a sign-in that fails');
  service.refusal = undefined;
  await open(page, '/');
  await look('a list with sign-ins');
  await open(page, `/servers/${device.id}/azure`);
  await page.getByRole('button', { name: 'Get a code' }).click();
  await running(page);
  await look('a code to enter');
  service.enter((await page.locator('#device output').textContent()) ?? '', false);
  await expect(page.getByText('The code came to nothing')).toBeVisible({ timeout: 20_000 });
  await running(page);
  await look('a code that was declined');
}

for (const scheme of ['light', 'dark'] as const) {
  for (const width of [1280, 390, 320]) {
    // The narrowest is about the layout; its colours are those of the others.
    if (width === 320 && scheme === 'dark') continue;
    test.describe(`${scheme}, ${width} wide`, () => {
      // Sign-in services in clear are for development, and this says that it is.
      test.use({ colorScheme: scheme, viewport: { width, height: 800 }, postroomEnv: { POSTROOM_OAUTH_AUTHORITY: 'http://127.0.0.2:9' } });
      const looking = (page: Page) => (what: string) =>
        test.step(what, async () => {
          await expectAccessible(page);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          expect(overflow, `${what} must not scroll sideways`).toBeLessThanOrEqual(0);
        });
      test('every page and state is accessible', async ({ page, postroom, mail, complaints }) => {
        test.setTimeout(180_000);
        complaints.expect(/status of 4\d\d/);
        await visit(page, postroom, mail, looking(page));
      });
      test('every page and state of trust is accessible', async ({ page, postroom, mailServer, complaints }) => {
        test.setTimeout(180_000);
        complaints.expect(/status of 4\d\d/);
        await visitTrust(page, postroom, mailServer, looking(page));
      });
      test('every page and state of sign-ins is accessible', async ({ page, postroom, complaints }) => {
        test.setTimeout(180_000);
        complaints.expect(/status of (4\d\d|502)/);
        complaints.expect(/was preloaded using link preload but not used/);
        const service = await SignInService.start('example.com');
        await visitSignIns(page, postroom, service, looking(page));
        await service.stop();
      });
    });
  }
}

test('fields and buttons are large enough for fingers', async ({ browser, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await postroom.api('certificates/add', { pem: authority().cert });
  const context = await browser.newContext({ baseURL: postroom.url, hasTouch: true, isMobile: true, viewport: { width: 390, height: 800 } });
  await context.addCookies(postroom.cookies());
  const page = await context.newPage();
  for (const path of ['/', `/servers/${id}`, '/servers/new', '/certificates?all', '/certificates/import', `/servers/${id}/client-certificate`]) {
    await open(page, path);
    for (const summary of await page.locator('.certificates summary').all()) await summary.click();
    const small = await page.evaluate(() => {
      const found: string[] = [];
      for (const element of document.querySelectorAll<HTMLElement>('button, a.button, input:not([type=hidden]), select, textarea, summary, nav a')) {
        if (!element.checkVisibility({ visibilityProperty: true }) || element.closest('[hidden], dialog:not([open])')) continue;
        // A box counts with its label, which can be touched too.
        const target = element.matches('[type=checkbox], [type=radio]') ? (element.closest('label') ?? element) : element;
        const { width, height } = target.getBoundingClientRect();
        if (height < 44 || width < 44) found.push(`${element.outerHTML.slice(0, 80)} ${width}×${height}`);
      }
      return found;
    });
    expect(small, path).toEqual([]);
  }
  await context.close();
});

test('the theme can be switched and stays', async ({ page, postroom }) => {
  await postroom.create({ name: 'mail' });
  await open(page, '/');
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.getByRole('button', { name: 'Switch between light and dark' }).click();
  const dark = await background();
  expect(dark).not.toBe(light);
  await page.reload();
  expect(await background()).toBe(dark);
});
