// Tests as they are watched, cancelled and kept: live stages, the history, and what the list says of each entry.

import type { Page } from '@playwright/test';
import { selfSigned } from '../support/certificate.ts';
import { closedPort, Gate } from '../support/mail.ts';
import { expect, expectAccessible, expectOutcome, field, open, row, save, sendTest, test, tryIt } from '../support/test.ts';

interface Run { id: number; by: string; mode: string; outcome: string; stage: string; headline: string; title: string | null; took_ms: number; security: string }

const stage = (page: Page, name: string) => tryIt(page).locator('.stage').filter({ has: page.locator('.what', { hasText: new RegExp(`^${name}`) }) });
const cancel = (page: Page) => tryIt(page).getByRole('button', { name: 'Cancel' });
const earlier = (page: Page) => page.getByRole('region', { name: 'Earlier tests' }).getByRole('listitem');
const stands = (page: Page) => page.locator('.stands');

test('stages show as they happen, and the outcome when it is known', async ({ page, postroom, mailServer }) => {
  const gate = new Gate('recipient');
  const mail = await mailServer({ pause: gate.pause });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await gate.reached;
  await expect(stage(page, 'Connected')).toContainText('✓');
  await expect(stage(page, 'Recipients')).toContainText('Recipients…');
  await expect(page.getByRole('status').filter({ hasText: 'Talking to the server' })).toBeVisible();
  // Somebody who waits sees that time passes.
  await expect(tryIt(page).locator('#outcome')).toHaveText(/^Talking to the server… [1-9]\d* s$/);
  // What runs is one test: neither button starts another.
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click({ force: true });
  await expectAccessible(page);
  // A stage opens while the run goes on, and stays open.
  await stage(page, 'Capabilities').locator('summary').click();
  await expect(stage(page, 'Capabilities').locator('.raw')).toContainText('EHLO');
  gate.open();
  await expectOutcome(page, /^Sent\./);
  await expect(stage(page, 'Recipients')).toContainText('✓');
  await expect(stage(page, 'Capabilities').locator('.raw')).toBeVisible();
  await expect(cancel(page)).toBeHidden();
  expect(mail.connections).toBe(1);
  // The bars: each begins where its stage began, within the run.
  const bars = await tryIt(page).locator('.bar rect').evaluateAll((all) => all.map((bar) => [Number(bar.getAttribute('x')), Number(bar.getAttribute('width'))]));
  expect(bars.length).toBeGreaterThan(5);
  for (const [x, width] of bars) expect(x! + width!).toBeLessThanOrEqual(1000);
  expect(bars.map(([x]) => x)).toEqual(bars.map(([x]) => x).toSorted((a, b) => a! - b!));
});

test('cancelling before the message says that nothing was handed over, and nothing was', async ({ page, postroom, mailServer }) => {
  const gate = new Gate('recipient');
  const mail = await mailServer({ pause: gate.pause });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await gate.reached;
  // By keyboard: the button goes, the focus doesn't get lost.
  await cancel(page).press('Enter');
  await expect(page.locator('#outcome')).toBeFocused();
  await expectOutcome(page, /^Cancelled\. No message was sent; the server may have seen the sender and the recipients\./);
  await mail.over();
  gate.open();
  expect(mail.received).toHaveLength(0);
  await expect(stage(page, 'Recipients')).toContainText('cancelled');
  await expect(earlier(page).first()).toContainText('Cancelled');
  // It says nothing about the server.
  await expect(stands(page)).toHaveText('Not verified yet');
});

test('cancelling after the message was handed over is unknown, and it is not sent again', async ({ page, postroom, mailServer }) => {
  const gate = new Gate('message');
  const mail = await mailServer({ pause: gate.pause });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await gate.reached;
  await cancel(page).click();
  await expectOutcome(page, /^Unknown\./);
  await mail.over();
  gate.open();
  expect(mail.received).toHaveLength(1);
  expect(mail.connections).toBe(1);
  await expect(earlier(page).first()).toContainText('Unknown');
});

test('a closed tab cancels before the message, and lets it finish after', async ({ context, page, postroom, mailServer }) => {
  const before = new Gate('recipient');
  const early = await mailServer({ pause: before.pause });
  const { id } = await postroom.create({ name: 'early', host: '127.0.0.1', port: early.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await before.reached;
  await page.close();
  await early.over();
  before.open();
  expect(early.received).toHaveLength(0);
  const runs = async (of: number) => (await postroom.api<{ runs: Run[] }>(`servers/runs?id=${of}`)).runs;
  await expect.poll(async () => (await runs(id)).map((run) => run.outcome)).toEqual(['cancelled']);

  const after = new Gate('message');
  const late = await mailServer({ pause: after.pause });
  const { id: other } = await postroom.create({ name: 'late', host: '127.0.0.1', port: late.port });
  const second = await context.newPage();
  await open(second, `${postroom.url}/servers/${other}`);
  await sendTest(second, 'scan@example.com', 'anna@example.com');
  await after.reached;
  await second.close();
  after.open();
  await expect.poll(async () => (await runs(other)).map((run) => run.outcome)).toEqual(['sent']);
  expect(late.received).toHaveLength(1);
});

test('earlier tests are kept, newest first, and each can be looked at again', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await expect(page.getByRole('heading', { name: 'Earlier tests' })).toBeHidden();
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await expectOutcome(page, /^Sent\./);
  await field(page, 'SMTP port').fill(String(await closedPort()));
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expectOutcome(page, /^Check failed\./);
  await expect(earlier(page)).toHaveText([/Failed.*just now.*Connection check/, /Sent.*just now.*Test email.*from anna, 127\.0\.0\.1/]);
  await page.reload();
  await expect(earlier(page)).toHaveCount(2);
  await earlier(page).nth(1).getByRole('link').click();
  await expectOutcome(page, /^Sent\. 127\.0\.0\.1 accepted the message as E2E1/);
  await expect(tryIt(page)).toContainText('Earlier test, just now, with the settings of then.');
  await expect(page).toHaveURL(/\?run=\d+$/);
  await page.reload();
  await expectOutcome(page, /^Sent\. 127\.0\.0\.1 accepted the message as E2E1/);
  await expectAccessible(page);
  // No message body, whatever else is kept.
  const { runs } = await postroom.api<{ runs: Run[] }>(`servers/runs?id=${id}`);
  const kept = JSON.stringify(await Promise.all(runs.map((run) => postroom.api(`runs/get?run=${run.id}`))));
  expect(kept).not.toContain((await mail.message()).mail.text!.trim().slice(0, 40));
  await page.goto(`/servers/${id}?run=999999`);
  await expect(tryIt(page)).toContainText("isn't kept any more");
});

test('an entry says whether it is verified: with the settings it has now', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ account: { user: 'anna', password: 'right' } });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, username: 'anna', password: { value: 'wrong' }, allow_plaintext_credentials: true });
  await open(page, '/');
  await expect(row(page, 'mail')).toContainText('Not verified yet');
  await open(page, `/servers/${id}`);
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expectOutcome(page, /^Check failed\./);
  await expect(stands(page)).toContainText(/Failing since \d\d:\d\d UTC/);
  await open(page, '/');
  await expect(row(page, 'mail')).toContainText(/Failing since \d\d:\d\d UTC/);
  await expect(row(page, 'mail').locator('.reason')).not.toBeEmpty();

  // Tested as typed, then saved: verified.
  await open(page, `/servers/${id}`);
  await page.getByText('Change password').click();
  await field(page, 'SMTP password').fill('right');
  await field(page, 'Confirm SMTP password').fill('right');
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expectOutcome(page, /^Checked\./);
  await save(page);
  await open(page, '/');
  await expect(row(page, 'mail')).toContainText('Verified just now');
  await expectAccessible(page);
  // What has nothing to do with the connection changes nothing; what has, does.
  await open(page, `/servers/${id}`);
  await field(page, 'Max attachment threshold size').fill('3 MB');
  await save(page);
  await expect(stands(page)).toHaveText('Verified just now');
  await field(page, 'Timeout').fill('9000');
  await save(page);
  await expect(stands(page)).toHaveText('Not verified since the last change');
  await open(page, '/');
  await expect(row(page, 'mail')).toContainText('Not verified since the last change');
});

test('a save while a test runs is made, and the test goes on with what it began with', async ({ page, postroom, mailServer }) => {
  const gate = new Gate('recipient');
  const mail = await mailServer({ pause: gate.pause });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await gate.reached;
  await field(page, 'SMTP port').fill('1');
  await save(page);
  expect((await postroom.get(id)).server).toMatchObject({ port: 1 });
  gate.open();
  await expectOutcome(page, /^Sent\./);
  await expect(page.locator('.report').getByText('From before your change.')).toBeVisible();
  // What was tested isn't what is saved.
  await expect(stands(page)).not.toContainText('Verified');
});

test('a fix beside a recipient is pressed with Enter, and nothing is sent', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, sender: 'scan@example.com' });
  await open(page, `/servers/${id}`);
  await field(page, 'To').fill('jo@gmial.com');
  await page.getByRole('button', { name: 'Use this domain' }).press('Enter');
  await expect(field(page, 'To')).toHaveValue('jo@gmail.com');
  await field(page, 'To').press('Enter');
  await expectOutcome(page, /^Sent\./);
  expect((await mail.message()).rcptTo).toEqual(['jo@gmail.com']);
  expect(mail.connections).toBe(1);
});

test('when Postroom ends in the middle of a test, the page says that nobody knows', async ({ page, postroom, mailServer, complaints }) => {
  complaints.expect(/ERR_|Failed to load resource|Failed to fetch|request failed/);
  const gate = new Gate('recipient');
  const mail = await mailServer({ pause: gate.pause });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, `/servers/${id}`);
  await sendTest(page, 'scan@example.com', 'anna@example.com');
  await gate.reached;
  await postroom.kill();
  await expectOutcome(page, /^Unknown\. The connection to Postroom broke/);
  await expect(page.getByRole('alert')).toContainText("Postroom doesn't answer");
  await expect(tryIt(page).locator('.running')).toHaveCount(0);
  gate.open();
});

test('all are tested from the list, each row live, and nothing is sent', async ({ page, postroom, mail, mailServer }) => {
  const gate = new Gate('connect');
  const slow = await mailServer({ pause: gate.pause });
  await postroom.create({ name: 'works', host: '127.0.0.1', port: mail.port });
  await postroom.create({ name: 'broken', host: '127.0.0.1', port: await closedPort() });
  await postroom.create({ name: 'slow', host: '127.0.0.1', port: slow.port });
  await postroom.api('servers/create', { server: { name: 'empty' } });
  await open(page, '/');
  await page.getByRole('button', { name: 'Test all' }).click();
  await gate.reached;
  await expect(row(page, 'slow')).toContainText('Testing: Greeting');
  await expect(row(page, 'works')).toContainText('Verified just now');
  await expect(row(page, 'broken')).toContainText('Failing since');
  await expectAccessible(page);
  gate.open();
  await expect(page.getByRole('status').filter({ hasText: 'Tested all: 2 work, 1 failed, 1 not tested. Nothing was sent.' })).toHaveCount(1);
  await expect(row(page, 'slow')).toContainText('Verified just now');
  expect(mail.received).toHaveLength(0);
  expect(mail.connections).toBe(1);
  await page.reload();
  await expect(row(page, 'works')).toContainText('Verified just now');
  await expect(row(page, 'empty')).toContainText('Not set up yet');
});

test('testing all can be stopped', async ({ page, postroom, mailServer }) => {
  const gate = new Gate('connect');
  const slow = await mailServer({ pause: gate.pause });
  await postroom.create({ name: 'slow', host: '127.0.0.1', port: slow.port });
  await open(page, '/');
  await page.getByRole('button', { name: 'Test all' }).click();
  await gate.reached;
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByRole('status').filter({ hasText: /^Stopped: 0 work, 0 failed\./ })).toHaveCount(1);
  await slow.over();
  gate.open();
  await expect(row(page, 'slow')).toContainText('Not verified yet');
});

test('the details can be copied for a support ticket, and hold no secret', async ({ page, context, postroom, mailServer }) => {
  const identity = selfSigned();
  const mail = await mailServer({ account: { user: 'anna', password: 'kanari-4711' }, tls: { identity } });
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port, username: 'anna', password: { value: 'kanari-4711' }, starttls: 'enabled_and_required' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, `/servers/${id}`);
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expectOutcome(page, /^Check failed\./);
  await stage(page, 'Capabilities').first().locator('summary').click();
  await expect(stage(page, 'Capabilities').first().locator('.way').first()).toHaveText('clear');
  await tryIt(page).getByRole('button', { name: 'Copy details' }).click();
  await expect(tryIt(page).getByRole('button', { name: 'Copied' })).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toMatch(/^Check failed\./);
  expect(copied).toMatch(/\[clear\] C: EHLO /);
  expect(copied).toMatch(/FAILED/);
  expect(copied).not.toContain('kanari');
});

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });
  test('earlier tests can be looked at, and all can be tested', async ({ page, postroom, mail }) => {
    const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
    await page.goto('/');
    await page.getByRole('button', { name: 'Test all' }).click();
    await expect(page).toHaveURL(`${postroom.url}/`);
    await expect(row(page, 'mail')).toContainText('Verified just now');
    await page.goto(`/servers/${id}`);
    await earlier(page).first().getByRole('link').click();
    await expect(tryIt(page)).toContainText('Checked. 127.0.0.1');
    await expect(stage(page, 'Capabilities')).toBeVisible();
    expect(mail.received).toHaveLength(0);
  });
});
