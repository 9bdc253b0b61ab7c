// Signing in and out, who may do what, and tokens.

import { createHmac } from 'node:crypto';
import type { Page } from '@playwright/test';
import { ADMINISTRATOR, COOKIE, type Postroom } from '../support/postroom.ts';
import { expect, expectAccessible as axe, expectError, field, test } from '../support/test.ts';

const { name, password } = ADMINISTRATOR;
const OTHER = 'another quiet harbour wall';

/** The code of a secret at a moment (RFC 6238, with RFC 4226's truncation). */
function totp(secret: string, at = Date.now()): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  let bits = '';
  for (const letter of secret.replace(/[\s=]/g, '')) bits += alphabet.indexOf(letter).toString(2).padStart(5, '0');
  const key = Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const from = mac[19]! & 15;
  return String((mac.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

async function signIn(page: Page, as: string, with_: string): Promise<void> {
  await field(page, 'Name').fill(as);
  await field(page, 'Password').fill(with_);
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
}

const signOut = (page: Page) => page.getByRole('button', { name: 'Sign out' }).click();

/** Adds an account and chooses its password, each by its page; leaves nobody signed in. */
async function addAccount(page: Page, as: string, role: 'Viewer' | 'Operator' | 'Administrator'): Promise<void> {
  await page.goto('/accounts');
  await field(page, 'Name').fill(as);
  await page.getByLabel(role, { exact: true }).check();
  await page.getByRole('button', { name: 'Add account' }).click();
  const link = await page.locator('output').textContent();
  await signOut(page);
  await page.goto(link!);
  await field(page, 'New password').fill(OTHER);
  await field(page, 'New password again').fill(OTHER);
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByRole('heading', { name: 'Mail SMTP servers' })).toBeVisible();
}

/** A call with a token, as a script makes it. */
function asToken(postroom: Postroom, token: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${postroom.url}/api/${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  });
}

for (const javaScriptEnabled of [true, false]) {
  // axe is a script: the same page is looked at where scripts run.
  const expectAccessible = async (page: Page) => (javaScriptEnabled ? axe(page) : undefined);
  test.describe(javaScriptEnabled ? 'with the program' : 'without JavaScript', () => {
    test.use({ javaScriptEnabled });

    test.describe('before there is an account', () => {
      test.use({ signedIn: false });

      test('the link that was printed leads to the first page', async ({ page, postroom, complaints }) => {
        complaints.expect(/status of (401|410|422)/);
        await page.goto('/');
        await expect(page.getByText('postroom setup-link')).toBeVisible();
        await expectAccessible(page);
        await page.goto(postroom.setupLink);
        await expectAccessible(page);
        await field(page, 'Name').fill(name);
        await field(page, 'New password').fill('short');
        await field(page, 'New password again').fill('short');
        await page.getByRole('button', { name: 'Create account' }).click();
        await expectError(field(page, 'New password'), /at least 12 characters/);
        await expect(field(page, 'New password')).toHaveValue('');
        await field(page, 'New password').fill(password);
        await field(page, 'New password again').fill(password);
        await page.getByRole('button', { name: 'Create account' }).click();
        await expect(page.getByRole('heading', { name: 'Mail SMTP servers' })).toBeVisible();
        await page.goto(postroom.setupLink);
        await expect(page.getByText("This link can't be used any more")).toBeVisible();
      });
    });

    test('signing out and in again leads back to where one was', async ({ page, postroom, complaints }) => {
      complaints.expect(/status of 401/);
      const { id } = await postroom.create({ name: 'mail' });
      await page.goto('/');
      await signOut(page);
      await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
      await expectAccessible(page);
      await expect(page.getByRole('navigation').getByRole('link')).toHaveCount(0);
      await page.goto(`/servers/${id}?run=1`);
      await signIn(page, name, 'something quite different');
      await expect(page.getByRole('alert')).toContainText('the name, the password or the code is wrong');
      await expect(field(page, 'Name')).toHaveValue(name);
      await expect(field(page, 'Password')).toHaveValue('');
      await signIn(page, name, password);
      await expect(page).toHaveURL(`${postroom.url}/servers/${id}?run=1`);
      await page.reload();
      await expect(page.getByRole('heading', { name: 'mail' })).toBeVisible();
    });

    test('accounts, roles and tokens are looked after', async ({ page, postroom, complaints }) => {
      complaints.expect(/status of (403|422)/);
      await postroom.create({ name: 'mail' });
      for (const path of ['/accounts', '/accounts/1', '/tokens', '/tokens/new', '/account']) {
        await page.goto(path);
        if (path !== '/accounts/1') await expectAccessible(page);
      }
      await page.goto('/tokens/new');
      await page.getByLabel('What it is for').fill('scanner');
      await page.getByRole('group', { name: 'For', exact: true }).getByLabel('Only these:').check();
      await page.getByLabel('Test servers').check();
      await page.getByRole('button', { name: 'Make token' }).click();
      await expectAccessible(page);
      const token = (await page.locator('output').textContent())!;
      expect((await asToken(postroom, token, 'session')).status).toBe(200);
      expect((await asToken(postroom, token, 'servers')).status).toBe(200);
      expect((await asToken(postroom, token, 'servers/create', { server: { name: 'x' } })).status).toBe(403);
      expect((await asToken(postroom, `${token}x`, 'servers')).status).toBe(401);
      await page.goto('/tokens');
      await page.getByRole('link', { name: 'Revoke scanner' }).click();
      await expectAccessible(page);
      await page.getByRole('button', { name: 'Revoke the token' }).click();
      await expect(page).toHaveURL(`${postroom.url}/tokens`);
      expect((await asToken(postroom, token, 'servers')).status).toBe(401);

      await addAccount(page, 'vera', 'Viewer');
      await expect(page.getByRole('link', { name: 'Add SMTP server' })).toHaveCount(0);
      await expect(page.getByRole('link', { name: 'Accounts' })).toHaveCount(0);
      await expect(page.getByText('Testing takes an operator')).toBeVisible();
      await expectAccessible(page);
      await page.getByRole('link', { name: 'mail', exact: true }).click();
      await expect(page.getByRole('button', { name: 'Save', exact: true })).toHaveCount(0);
      await expect(page.getByRole('button', { name: 'Check connection' })).toBeHidden();
      await expect(field(page, 'SMTP hostname')).toBeDisabled();
      await expectAccessible(page);
      await page.goto('/accounts');
      await expect(page.getByText('this takes an administrator')).toBeVisible();
    });

    test('a second factor is switched on, asked for, and replaced by a recovery code', async ({ page, complaints }) => {
      complaints.expect(/status of (401|422)/);
      await page.goto('/account');
      await page.getByRole('button', { name: 'Switch on' }).click();
      await expectAccessible(page);
      const secret = (await page.locator('output').textContent())!;
      await field(page, 'Code').fill('000000');
      await page.getByRole('button', { name: 'Switch on' }).click();
      await expectError(field(page, 'Code'), /The code is wrong/);
      await field(page, 'Code').fill(totp(secret));
      await page.getByRole('button', { name: 'Switch on' }).click();
      await expect(page.getByText('The second factor is on.')).toBeVisible();
      await expectAccessible(page);
      const recovery = await page.locator('.codes li').allTextContents();
      expect(recovery.length).toBeGreaterThan(4);
      await signOut(page);
      await signIn(page, name, password);
      await expect(page.getByRole('heading', { name: 'Enter your code' })).toBeVisible();
      await expectAccessible(page);
      // Half signed in is not signed in.
      await page.goto('/');
      await expect(page.getByRole('heading', { name: 'Enter your code' })).toBeVisible();
      await field(page, 'Code').fill(recovery[0]!);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await expect(page.getByRole('heading', { name: 'Mail SMTP servers' })).toBeVisible();
      await signOut(page);
      await signIn(page, name, password);
      await field(page, 'Code').fill(recovery[0]!);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await expect(page.getByRole('alert')).toContainText('the code is wrong');
    });

    test('sessions are seen and ended elsewhere', async ({ page, postroom, complaints }) => {
      complaints.expect(/status of 401/);
      const other = await postroom.signIn(name, password);
      const ask = () => fetch(`${postroom.url}/api/session`, { headers: { cookie: `${COOKIE}=${other}` } });
      expect((await ask()).status).toBe(200);
      await page.goto('/account');
      await expect(page.getByText('this one')).toHaveCount(1);
      await page.getByRole('button', { name: /^End the session/ }).click();
      expect((await ask()).status).toBe(401);
      await page.goto('/account');
      await expect(page.getByText('this one')).toHaveCount(1);
    });

    test('a password is changed, and every other session ends', async ({ page, postroom, complaints }) => {
      complaints.expect(/status of (401|422)/);
      await page.goto('/account');
      await page.getByText('Change password').first().click();
      await expectAccessible(page);
      await field(page, 'Current password').fill('not this one either');
      await field(page, 'New password').fill(OTHER);
      await field(page, 'New password again').fill(OTHER);
      await page.getByRole('button', { name: 'Change password' }).click();
      await expectError(field(page, 'Current password'), /isn't your password/);
      await field(page, 'Current password').fill(password);
      await field(page, 'New password').fill(OTHER);
      await field(page, 'New password again').fill(OTHER);
      await page.getByRole('button', { name: 'Change password' }).click();
      await expect(page.getByText('Password changed.')).toBeVisible();
      await expect(postroom.api('servers')).rejects.toThrow(/^401/);
    });
  });
}

test('a cookie that is not kept is said', async ({ page, context, complaints }) => {
  complaints.expect(/status of 401/);
  await context.clearCookies();
  await page.goto('/signed-in?next=%2F');
  await expect(page.getByText("your browser didn't keep the sign-in")).toBeVisible();
  await axe(page);
});

test('the way on never leaves the site', async ({ page, postroom }) => {
  for (const next of ['https://example.com/', '//example.com', '/\\example.com', '/\t/example.com']) {
    await page.goto(`/sign-in?next=${encodeURIComponent(next)}`);
    expect(page.url(), next).toBe(`${postroom.url}/`);
  }
});

test('the bar says when the session is about to end, and keeps it going', async ({ page }) => {
  await page.clock.install();
  await page.goto('/account');
  await expect(page.getByRole('button', { name: 'Shortcuts' })).toBeVisible();
  const bar = page.getByText('You will be signed out in 2 minutes.');
  await page.clock.runFor(27 * 60_000);
  await expect(bar).toBeHidden();
  await page.clock.runFor(90_000);
  await expect(bar).toBeVisible();
  await axe(page);
  await page.getByRole('button', { name: 'Stay signed in' }).click();
  await page.clock.runFor(1_000);
  await expect(bar).toBeHidden();
});
