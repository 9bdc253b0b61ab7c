// Two people edit one entry: nobody's work is overwritten silently.

import { expect, field, open, save, test } from '../support/test.ts';

test('a stale save shows both versions; mine can be saved over it', async ({ page, context, postroom, complaints }) => {
  const { id } = await postroom.create({ name: 'mail', host: 'one.example.com' });
  await open(page, `/servers/${id}`);
  const other = await context.newPage();
  complaints.watch(other);
  await open(other, `/servers/${id}`);
  await field(other, 'SMTP hostname').fill('theirs.example.com');
  await save(other);

  await field(page, 'SMTP hostname').fill('mine.example.com');
  await field(page, 'Timeout').fill('20000');
  complaints.expect(/status of 409/);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('somebody else saved this server after you opened it');
  const compare = page.getByRole('region', { name: 'Compare the two versions' });
  const host = compare.getByRole('row').filter({ hasText: 'SMTP hostname' });
  await expect(host).toContainText('mine.example.com');
  await expect(host).toContainText('theirs.example.com');
  await expect(compare.getByRole('row').filter({ hasText: 'Timeout' })).toContainText('20');
  await expect(compare.getByRole('row').filter({ hasText: 'SMTP port' })).toHaveCount(0);
  expect((await postroom.get(id)).server?.host).toBe('theirs.example.com');

  await compare.getByRole('button', { name: 'Save mine over it' }).click();
  await expect(page.getByRole('status').filter({ hasText: /^Saved$/ })).toBeVisible();
  expect((await postroom.get(id)).server).toMatchObject({ host: 'mine.example.com', timeout_ms: 20000 });
});

test('what is stored can be taken instead, and then saving goes on from there', async ({ page, postroom, complaints }) => {
  const saved = await postroom.create({ name: 'mail', host: 'one.example.com' });
  await open(page, `/servers/${saved.id}`);
  await postroom.save(saved, { host: 'theirs.example.com', timeout_ms: 30000 });
  await field(page, 'SMTP hostname').fill('mine.example.com');
  complaints.expect(/status of 409/);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: 'Take what is stored' }).click();
  await expect(field(page, 'SMTP hostname')).toHaveValue('theirs.example.com');
  await expect(field(page, 'Timeout')).toHaveValue('30000');
  await expect(page.getByRole('region', { name: 'Compare the two versions' })).toHaveCount(0);
  await expect(page.getByText('Unsaved changes')).toBeHidden();
  await field(page, 'Timeout').fill('40000');
  await save(page);
  expect((await postroom.get(saved.id)).server).toMatchObject({ host: 'theirs.example.com', timeout_ms: 40000 });
});

test('an entry that was trashed meanwhile can not be saved, and says so', async ({ page, postroom, complaints }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await postroom.api('servers/trash', { ids: [id] });
  await field(page, 'SMTP hostname').fill('typed.example.com');
  complaints.expect(/status of 404/);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText(`There is no server with the number ${id}`);
  await expect(field(page, 'SMTP hostname')).toHaveValue('typed.example.com');
});

test('two editors without scripts see both versions too', async ({ browser, postroom }) => {
  const saved = await postroom.create({ name: 'mail', host: 'one.example.com' });
  const context = await browser.newContext({ javaScriptEnabled: false, baseURL: postroom.url });
  await context.addCookies(postroom.cookies());
  const page = await context.newPage();
  await page.goto(`/servers/${saved.id}`);
  await postroom.save(saved, { host: 'theirs.example.com' });
  await field(page, 'SMTP hostname').fill('mine.example.com');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  const compare = page.getByRole('region', { name: 'Compare the two versions' });
  await expect(compare).toContainText('theirs.example.com');
  await expect(compare).toContainText('mine.example.com');
  await expect(field(page, 'SMTP hostname')).toHaveValue('mine.example.com');
  expect((await postroom.get(saved.id)).server?.host).toBe('theirs.example.com');
  await compare.getByRole('button', { name: 'Save mine over it' }).click();
  await expect(page.getByRole('status').filter({ hasText: /^Saved$/ })).toBeVisible();
  expect((await postroom.get(saved.id)).server?.host).toBe('mine.example.com');
  await context.close();
});


test('saving something else does not take the default back', async ({ page, browser, postroom }) => {
  const first = await postroom.create({ name: 'first', host: 'a.example' });
  const second = await postroom.create({ name: 'second', host: 'b.example' });
  await open(page, `/servers/${first.id}`);
  await postroom.api('servers/save', { id: second.id, version: second.version, server: { default: true } });
  await field(page, 'Timeout').fill('2000');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('Saved', { exact: true })).toBeVisible();
  expect((await postroom.get(second.id)).server?.default).toBe(true);

  // The same without scripts, the other way round.
  const context = await browser.newContext({ javaScriptEnabled: false });
  await context.addCookies(postroom.cookies());
  const plain = await context.newPage();
  await plain.goto(`${postroom.url}/servers/${second.id}`);
  await postroom.api('servers/save', { id: first.id, version: (await postroom.get(first.id)).version, server: { default: true } });
  await field(plain, 'Timeout').fill('3000');
  await plain.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(plain.getByText('Saved', { exact: true })).toBeVisible();
  expect((await postroom.get(second.id)).server).toMatchObject({ timeout_ms: 3000, default: false });
  expect((await postroom.get(first.id)).server?.default).toBe(true);
  await context.close();
});
