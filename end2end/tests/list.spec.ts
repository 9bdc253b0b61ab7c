// The page "Mail SMTP servers", and adding the first entry.

import { chosen, errorOf, expect, field, open, row, running, save, select, test } from '../support/test.ts';

test('an empty list says what is missing and leads to the first entry, named mail', async ({ page, postroom }) => {
  await open(page, '/');
  await expect(page.getByRole('heading', { level: 1, name: 'Mail SMTP servers' })).toBeVisible();
  await expect(page.getByText('No mail server is set up yet')).toBeVisible();
  await page.getByRole('link', { name: 'Add SMTP server' }).click();

  await running(page);
  await expect(field(page, 'Name')).toHaveValue('mail');
  await expect(field(page, 'Name')).toBeFocused();
  await page.getByRole('button', { name: 'Save changes' }).click();

  // It opens the new entry, with the first thing to fill in focused.
  await expect(page).toHaveURL(/\/servers\/\d+$/);
  await running(page);
  await expect(page.getByRole('heading', { level: 1, name: 'mail' })).toBeVisible();
  await expect(field(page, 'SMTP hostname')).toBeFocused();
  const id = Number(new URL(page.url()).pathname.split('/').at(-1));
  expect((await postroom.get(id)).server).toBeNull();

  await page.getByRole('link', { name: 'Back' }).click();
  await expect(row(page, 'mail')).toContainText('Not set up yet');
  await expect(row(page, 'mail')).not.toContainText('default');
});

test('a row shows name, protocol, target, security, account, sender and which one is the default', async ({ page, postroom }) => {
  await postroom.create({ name: 'mail', host: 'smtp.example.com', port: 587, starttls: 'enabled_and_required', username: 'anna', password: { value: 'secret' }, sender: 'Scan <scan@example.com>' });
  await postroom.create({ name: 'fax', kind: 'fax', protocol: 'smtps', host: '2001:db8::25', port: 465 });
  await postroom.create({ name: 'legacy', host: '10.0.0.9', port: 25 });
  await open(page, '/');

  const mail = row(page, 'mail');
  for (const text of ['default', 'smtp.example.com:587', 'SMTP', 'TLS (StartTLS)', 'anna', 'scan@example.com']) await expect(mail).toContainText(text);
  for (const text of ['fax', '[2001:db8::25]:465', 'SMTPS', 'TLS']) await expect(row(page, 'fax')).toContainText(text);
  for (const text of ['10.0.0.9:25', 'unencrypted', '–']) await expect(row(page, 'legacy')).toContainText(text);
  await expect(row(page, 'fax').getByText('default')).toHaveCount(0);
  await expect(page.getByText('3 servers')).toBeVisible();
});

test('the first entry that is completed becomes the default, and another one can take its place', async ({ page, postroom }) => {
  await postroom.create({ name: 'first' });
  const second = await postroom.create({ name: 'second' });
  await open(page, `/servers/${second.id}`);
  await expect(field(page, 'Default server')).not.toBeChecked();
  await field(page, 'Default server').check();
  await save(page);
  await page.getByRole('link', { name: 'Back' }).click();
  await expect(row(page, 'second')).toContainText('default');
  await expect(row(page, 'first')).not.toContainText('default');
});

test('a name that is taken, in any case, or can be no name is refused where it was typed', async ({ page, postroom, complaints }) => {
  await postroom.create({ name: 'Mail' });
  await open(page, '/servers/new');
  const name = field(page, 'Name');
  await expect(name).not.toHaveValue(/^mail$/i);

  await name.fill('a b');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect.poll(() => errorOf(name)).toContain('A space can\'t stand in a name.');
  await expect(name).toBeFocused();
  await expect(page).toHaveURL(/\/servers\/new$/);

  await name.fill('MAIL');
  await expect.poll(() => errorOf(name)).toBe('');
  complaints.expect(/status of 422/);
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect.poll(() => errorOf(name)).toContain('Another server is called Mail');
  await expect(name).toHaveValue('MAIL');
  await expect(name).toHaveAttribute('aria-invalid', 'true');

  await running(page);
  await name.fill('other');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'other' })).toBeVisible();
});

test('the selection leads to edit and to the test of one entry, and never moves the rows', async ({ page, postroom }) => {
  for (const name of ['a', 'b', 'c']) await postroom.create({ name });
  await open(page, '/');
  const before = await row(page, 'c').boundingBox();
  await select(page, 'b');
  await expect(page.getByText('1 selected')).toBeVisible();
  expect(await row(page, 'c').boundingBox()).toEqual(before);

  await select(page, 'c');
  await expect(page.getByText('2 selected')).toBeVisible();
  await expect(chosen(page, 'Edit')).toBeDisabled();
  await expect(chosen(page, 'Send test email')).toBeDisabled();
  await expect(chosen(page, 'Trash')).toBeEnabled();

  await page.getByRole('checkbox', { name: 'Select c' }).uncheck();
  await chosen(page, 'Edit').click();
  await expect(page.getByRole('heading', { level: 1, name: 'b' })).toBeVisible();
  await page.goBack();
  await running(page);
  await page.getByRole('checkbox', { name: 'Select b' }).setChecked(false);
  await select(page, 'c');
  await chosen(page, 'Send test email').click();
  await expect(page.getByRole('heading', { level: 1, name: 'c' })).toBeVisible();
  await expect(page).toHaveURL(/#try$/);
});

test('the search finds by name, host, username and sender, stays in the address and survives a reload', async ({ page, postroom }) => {
  await postroom.create({ name: 'alpha', host: 'one.example.com' });
  await postroom.create({ name: 'beta', host: 'two.example.com', sender: 'needle@example.com' });
  await open(page, '/');
  const search = page.getByRole('searchbox', { name: 'Search servers' });
  await search.pressSequentially('NEEDLE');
  await expect(row(page, 'alpha')).toHaveCount(0);
  await expect(row(page, 'beta')).toBeVisible();
  await expect(page.getByText('1 of 2 servers')).toBeVisible();
  await expect(page).toHaveURL(/\?search=NEEDLE$/);
  await expect(search).toBeFocused();
  await expect(search).toHaveValue('NEEDLE');
  await page.reload();
  await running(page);
  await expect(search).toHaveValue('NEEDLE');
  await expect(row(page, 'alpha')).toHaveCount(0);

  await search.fill('one.example');
  await expect(row(page, 'alpha')).toBeVisible();
  await search.fill('nothing like this <b>&');
  await expect(page.getByText('No server has “nothing like this <b>&” in its')).toBeVisible();
  await page.getByRole('link', { name: 'Show all' }).click();
  await expect(row(page, 'beta')).toBeVisible();
});

test('many entries come in pages that the address names', async ({ page, postroom }) => {
  for (let number = 1; number <= 60; number += 1) await postroom.create({ name: `server-${String(number).padStart(2, '0')}` });
  await open(page, '/');
  await expect(page.getByText('60 servers')).toBeVisible();
  await expect(row(page, 'server-50')).toBeVisible();
  await expect(row(page, 'server-51')).toHaveCount(0);
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Next' }).click();
  await expect(row(page, 'server-51')).toBeVisible();
  await expect(row(page, 'server-50')).toHaveCount(0);
  await page.reload();
  await expect(row(page, 'server-60')).toBeVisible();
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Previous' }).click();
  await expect(row(page, 'server-01')).toBeVisible();
});

test('an address where nothing is, and an entry that is gone, say so with the way back', async ({ page, complaints }) => {
  complaints.expect(/status of 404/);
  for (const path of ['/nothing', '/servers/99', '/servers/x']) {
    const response = await page.goto(path);
    expect(response?.status()).toBe(404);
    await page.locator('#main').getByRole('link', { name: 'Mail SMTP servers' }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Mail SMTP servers' })).toBeVisible();
  }
});
