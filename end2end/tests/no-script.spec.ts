// The whole way without JavaScript: add, edit with mistakes, save, try, trash, undo.

import { chosen, errorOf, expect, expectError, field, row, select, test, tryIt } from '../support/test.ts';

test.use({ javaScriptEnabled: false });

test('add, edit, mistakes, save, test, trash and undo', async ({ page, postroom, mail, complaints }) => {
  complaints.expect(/status of 422/);
  await page.goto('/');
  await page.getByRole('link', { name: 'Add SMTP server' }).click();
  await field(page, 'Name').fill('no good');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expectError(field(page, 'Name'), /A space can't stand in a name/);
  await expect(field(page, 'Name')).toHaveValue('no good');
  await field(page, 'Name').fill('plain');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page).toHaveURL(/\/servers\/\d+$/);
  const id = Number(/\d+$/.exec(page.url())?.[0]);

  // Every field is there, with help that says when it counts.
  for (const label of ['StartTLS', 'Azure OAuth enabled', 'Azure application id', 'Azure tenant', 'Client secret expires', 'Scope', 'Shared mailbox', 'Links expire after']) {
    await expect(field(page, label)).toBeAttached();
  }
  await expect(field(page, 'StartTLS')).toBeVisible();

  // Mistakes come back in place, with everything that was typed but the password.
  await field(page, 'SMTP hostname').fill('127.0.0.1');
  await field(page, 'SMTP port').fill('0');
  await field(page, 'Timeout').fill('5');
  await field(page, 'SMTP username').fill('anna');
  await field(page, 'SMTP password').fill('secret word');
  await field(page, 'Confirm SMTP password').fill('secret word');
  await field(page, 'MIME address strict').uncheck();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('alert').filter({ hasText: '2 fields need a change' })).toBeVisible();
  await expectError(field(page, 'SMTP port'), /Port 0 isn't possible/);
  await expectError(field(page, 'Timeout'), /5 isn't possible/);
  await expect(field(page, 'SMTP hostname')).toHaveValue('127.0.0.1');
  await expect(field(page, 'SMTP username')).toHaveValue('anna');
  await expect(field(page, 'MIME address strict')).not.toBeChecked();
  await expect(field(page, 'SMTP password')).toHaveValue('');
  await expect(page.getByText('Type the password again')).toBeVisible();
  expect(await page.content()).not.toContain('secret word');
  expect(page.url()).not.toContain('secret');
  // The notice leads to the field.
  await page.getByRole('alert').getByRole('link', { name: 'SMTP port' }).click();
  await expect(page).toHaveURL(/#f-port$/);

  // Right, it is saved, and the page says so.
  await field(page, 'SMTP port').fill(String(mail.port));
  await field(page, 'Timeout').fill('5000');
  await field(page, 'SMTP username').fill('');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('status').filter({ hasText: /^Saved$/ })).toBeVisible();
  expect((await postroom.get(id)).server).toMatchObject({ host: '127.0.0.1', port: mail.port, timeout_ms: 5000, mime_address_strict: false });

  // A test runs on what is typed, and the page comes back with both.
  await field(page, 'From').fill('scan@example.com');
  await field(page, 'To').fill('anna@example.com');
  await field(page, 'Sender address').fill('unsaved@example.com');
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expect(tryIt(page).getByText(/^Sent\. 127\.0\.0\.1 accepted/)).toBeVisible();
  expect((await mail.message()).mailFrom).toBe('scan@example.com');
  await expect(field(page, 'Sender address')).toHaveValue('unsaved@example.com');
  await expect(field(page, 'To')).toHaveValue('anna@example.com');
  expect((await postroom.get(id)).server?.sender).toBe('');
  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expect(tryIt(page).getByText(/^Checked\./)).toBeVisible();
  expect(mail.received).toHaveLength(1);

  // Trash and undo.
  await page.getByRole('link', { name: 'Back' }).click();
  await select(page, 'plain');
  await chosen(page, 'Trash').click();
  await page.getByRole('button', { name: 'Trash plain' }).click();
  await expect(row(page, 'plain')).toHaveCount(0);
  await page.reload();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(row(page, 'plain')).toBeVisible();
  await expect(row(page, 'plain')).toContainText('default');
});

test('the search and the buttons of the selection work', async ({ page, postroom, complaints }) => {
  for (const name of ['a', 'b']) await postroom.create({ name });
  await page.goto('/');
  await page.getByRole('searchbox', { name: 'Search servers' }).fill('b');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page).toHaveURL(/\?search=b$/);
  await expect(row(page, 'a')).toHaveCount(0);
  await select(page, 'b');
  await chosen(page, 'Edit').click();
  await expect(page.getByRole('heading', { level: 1, name: 'b' })).toBeVisible();

  await page.goto('/');
  await chosen(page, 'Edit').click();
  await expect(page.getByRole('alert')).toContainText('No server was chosen');
  await select(page, 'a', 'b');
  await chosen(page, 'Edit').click();
  await expect(page.getByRole('alert')).toContainText('Only one server can be opened at a time');
  complaints.expect(/status of 4\d\d/);
  await page.goto('/');
  await chosen(page, 'Trash').click();
  await expect(page.getByText('No server was chosen')).toBeVisible();
});

test('a password is set, kept and removed', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await page.goto(`/servers/${id}`);
  await field(page, 'SMTP username').fill('anna');
  await field(page, 'SMTP password').fill('one');
  await field(page, 'Confirm SMTP password').fill('one');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('SMTP password: set')).toBeVisible();
  await field(page, 'Timeout').fill('20000');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  expect((await postroom.get(id)).server).toMatchObject({ has_password: true, timeout_ms: 20000 });
  await page.getByRole('checkbox', { name: 'Remove password' }).check();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect.poll(async () => (await postroom.get(id)).server?.has_password).toBe(false);
  expect(await errorOf(field(page, 'SMTP username'))).toBe('');
});
