// Trashing one or several entries, and taking it back.

import { chosen, expect, field, open, row, running, select, test } from '../support/test.ts';

test('trash asks once, names what goes, and undo brings entry and password back', async ({ page, postroom, mailServer }) => {
  const mail = await mailServer({ account: { user: 'anna', password: 'kept' } });
  await postroom.create({ name: 'first' });
  const { id } = await postroom.create({ name: 'second', host: '127.0.0.1', port: mail.port, username: 'anna', password: { value: 'kept' }, allow_plaintext_credentials: true });
  await open(page, '/');
  await select(page, 'second');
  await chosen(page, 'Trash').click();

  await expect(page.getByRole('heading', { level: 1, name: 'Trash second?' })).toBeVisible();
  await expect(page.getByText('Applications can no longer send through second.')).toBeVisible();
  await expect(page.getByText('You can undo this for 10 seconds')).toBeVisible();
  // Nothing has happened yet, and the way back leaves it so.
  expect((await postroom.get(id)).name).toBe('second');
  await page.getByRole('button', { name: 'Trash second' }).click();

  await running(page);
  await expect(row(page, 'second')).toHaveCount(0);
  await expect(page.getByRole('status').filter({ hasText: 'Trashed second.' })).toBeVisible();
  // It survives a reload.
  await page.reload();
  await running(page);
  await page.getByRole('button', { name: 'Undo' }).click();
  await running(page);
  await expect(row(page, 'second')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Undo' })).toHaveCount(0);

  const report = await postroom.api<{ headline: string }>('servers/test', { id, server: {}, from: 'a@example.com', to: 'b@example.com' });
  expect(report.headline).toMatch(/^Sent\./);
  expect((await mail.message()).user).toBe('anna');
});

test('the way back from the question changes nothing', async ({ page, postroom }) => {
  await postroom.create({ name: 'only' });
  await open(page, '/');
  await select(page, 'only');
  await chosen(page, 'Trash').click();
  await page.getByRole('link', { name: 'Back' }).click();
  await expect(row(page, 'only')).toBeVisible();
});

test('trashing the default asks who takes its place; undo gives it back', async ({ page, postroom }) => {
  const first = await postroom.create({ name: 'first' });
  await postroom.create({ name: 'second' });
  const third = await postroom.create({ name: 'third' });
  await open(page, '/');
  await expect(row(page, 'first')).toContainText('default');
  await select(page, 'first');
  await chosen(page, 'Trash').click();
  const heir = field(page, 'New default server');
  await expect(heir.locator('option:checked')).toHaveText('second');
  await heir.selectOption('third');
  await page.getByRole('button', { name: 'Trash first' }).click();
  await running(page);
  await expect(row(page, 'third')).toContainText('default');
  expect((await postroom.get(third.id)).server?.default).toBe(true);

  await page.getByRole('button', { name: 'Undo' }).click();
  await running(page);
  await expect(row(page, 'first')).toContainText('default');
  await expect(row(page, 'third')).not.toContainText('default');
  expect((await postroom.get(first.id)).server?.default).toBe(true);
});

test('several go and come back together', async ({ page, postroom }) => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await postroom.create({ name });
  await open(page, '/');
  await select(page, 'b', 'c', 'd', 'e');
  await chosen(page, 'Trash').click();
  await expect(page.getByRole('heading', { level: 1, name: 'Trash 4 servers?' })).toBeVisible();
  for (const name of ['b', 'c', 'd', 'e']) await expect(page.getByRole('listitem').filter({ hasText: new RegExp(`^${name}$`) })).toBeVisible();
  await page.getByRole('button', { name: 'Trash 4 servers' }).click();
  await running(page);
  await expect(page.getByText('1 server', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Undo' }).click();
  await running(page);
  await expect(page.getByText('5 servers')).toBeVisible();
});

test('after trashing, the next row has the focus', async ({ page, postroom }) => {
  for (const name of ['a', 'b', 'c']) await postroom.create({ name });
  await open(page, '/');
  await select(page, 'b');
  await chosen(page, 'Trash').click();
  await page.getByRole('button', { name: 'Trash b' }).click();
  await running(page);
  await expect(row(page, 'c')).toBeFocused();
});

test('the offer ends after ten seconds, and then it is too late', async ({ page, postroom, complaints }) => {
  const { id } = await postroom.create({ name: 'a' });
  await open(page, '/');
  await select(page, 'a');
  await chosen(page, 'Trash').click();
  await page.getByRole('button', { name: 'Trash a' }).click();
  const trashed = Date.now();
  const undo = page.getByRole('button', { name: 'Undo' });
  await expect(undo).toBeVisible();
  await expect(undo).toBeHidden({ timeout: 14_000 });
  expect(Date.now() - trashed).toBeGreaterThan(8_000);

  // Nobody can, not even with the form itself. The server gives a little longer, for what is on its way; its clock is real.
  await page.waitForTimeout(Math.max(0, 16_000 - (Date.now() - trashed)));
  complaints.expect(/status of 410/);
  const answer = page.waitForNavigation();
  await page.locator('form[action="/servers/undo"]').evaluate((form: HTMLFormElement) => form.requestSubmit());
  expect((await answer)?.status()).toBe(410);
  await expect(page.getByRole('alert')).toContainText('Too late to undo');
  await expect(postroom.get(id)).rejects.toMatchObject({ status: 404 });
});

test('a name that was given away meanwhile keeps its new owner', async ({ page, postroom, complaints }) => {
  await postroom.create({ name: 'keep' });
  await postroom.create({ name: 'name' });
  await open(page, '/');
  await select(page, 'name');
  await chosen(page, 'Trash').click();
  await page.getByRole('button', { name: 'Trash name' }).click();
  await running(page);
  await postroom.create({ name: 'NAME', host: 'new.example.com' });
  complaints.expect(/status of 409/);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByRole('alert')).toContainText(/another server has been given the name name since/i);
  await expect(row(page, 'NAME')).toContainText('new.example.com');
});

test('an entry that somebody else trashed meanwhile is no reason for anything else to go', async ({ page, postroom, complaints }) => {
  const a = await postroom.create({ name: 'a' });
  const b = await postroom.create({ name: 'b' });
  await open(page, '/');
  await select(page, 'a', 'b');
  await chosen(page, 'Trash').click();
  await postroom.api('servers/trash', { ids: [b.id] });
  complaints.expect(/status of 4\d\d/);
  await page.getByRole('button', { name: 'Trash 2 servers' }).click();
  await expect(page.getByText(`There is no server with the number ${b.id}`).first()).toBeVisible();
  expect((await postroom.get(a.id)).name).toBe('a');
});
