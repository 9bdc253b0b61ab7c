// An entry's page: every field, its validation, and what is kept.

import { errorOf, expect, expectError, expectNoError, field, open, running, save, test } from '../support/test.ts';

test('every field is kept and shown again, but never the password', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await field(page, 'Name').fill('office');
  await page.getByRole('radio', { name: 'Fax server' }).check();
  await field(page, 'SMTP hostname').fill('  smtp.example.org ');
  await field(page, 'SMTP port').fill('587');
  await field(page, 'Timeout').fill('30000');
  await field(page, 'StartTLS').selectOption('Enabled and required');
  await field(page, 'SMTP username').fill('anna@example.org');
  await field(page, 'SMTP password').fill('pass word');
  await field(page, 'Confirm SMTP password').fill('pass word');
  await field(page, 'Sender address').fill('Scan <scan@example.org>');
  await field(page, 'MIME address strict').uncheck();
  await field(page, 'Attachment as URL enabled').check();
  await field(page, 'Max attachment threshold size').fill('512 KiB');
  await page.getByText(/^Advanced/).click();
  await field(page, 'Override BPM mail node sender address').check();
  await field(page, 'Links expire after').fill('7');
  await expect(page.getByText('Connects to smtp.example.org:587, must be encrypted with StartTLS, signs in as anna@example.org.')).toBeVisible();
  await save(page);

  await page.reload();
  await running(page);
  await expect(page.getByRole('heading', { level: 1, name: 'office' })).toBeVisible();
  await expect(page.getByRole('radio', { name: 'Fax server' })).toBeChecked();
  await expect(field(page, 'SMTP hostname')).toHaveValue('smtp.example.org');
  await expect(field(page, 'SMTP port')).toHaveValue('587');
  await expect(field(page, 'Timeout')).toHaveValue('30000');
  await expect(field(page, 'StartTLS')).toHaveValue('enabled_and_required');
  await expect(field(page, 'SMTP username')).toHaveValue('anna@example.org');
  await expect(field(page, 'Sender address')).toHaveValue('Scan <scan@example.org>');
  await expect(field(page, 'MIME address strict')).not.toBeChecked();
  await expect(field(page, 'Attachment as URL enabled')).toBeChecked();
  await expect(field(page, 'Override BPM mail node sender address')).toBeChecked();
  await expect(field(page, 'Links expire after')).toHaveValue('7');
  expect((await postroom.get(id)).server).toMatchObject({
    name: 'office', kind: 'fax', host: 'smtp.example.org', port: 587, timeout_ms: 30000, starttls: 'enabled_and_required',
    username: 'anna@example.org', has_password: true, mime_address_strict: false, attachment_as_url: true,
    attachment_threshold_bytes: 512 * 1024, override_sender: true, link_days: 7,
  });
  // The password is told to be there, and is not there.
  await expect(page.getByText('SMTP password: set')).toBeVisible();
  expect(await page.content()).not.toContain('pass word');
});

test('a submit reports every mistake at once, each beside its field, and goes to the first', async ({ page, postroom }) => {
  const { id, version } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await field(page, 'Name').fill('not a name');
  await field(page, 'SMTP hostname').fill('https://smtp.example.com/');
  await field(page, 'SMTP port').fill('70000');
  await field(page, 'Timeout').fill('soon');
  await field(page, 'SMTP username').fill('anna');
  await field(page, 'SMTP password').fill('one');
  await field(page, 'Confirm SMTP password').fill('two');
  await field(page, 'Sender address').fill('nobody@');
  await field(page, 'Max attachment threshold size').fill('10 bananas');
  await page.getByText(/^Advanced/).click();
  await field(page, 'Azure OAuth enabled').check();
  await field(page, 'Links expire after').fill('0');
  await page.getByText(/^Advanced/).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();

  await expect(field(page, 'Name')).toBeFocused();
  await expectError(field(page, 'Name'), /can't stand in a name/);
  await expectError(field(page, 'SMTP hostname'), /Only the host name belongs here: “smtp\.example\.com”/);
  await expectError(field(page, 'SMTP port'), /Port 70000 isn't possible/);
  await expectError(field(page, 'Timeout'), /“soon” isn't a whole number/);
  await expectError(field(page, 'Confirm SMTP password'), /The two passwords differ/);
  await expectError(field(page, 'Sender address'), /./);
  await expectError(field(page, 'Max attachment threshold size'), /“bananas” isn't a unit of size/);
  // The folded section is opened where it holds a mistake.
  await expectError(field(page, 'Azure application id'), /needs this|such as|looks like/);
  await expect(field(page, 'Azure application id')).toBeVisible();
  // What is fine says nothing, and nothing was stored.
  await expectNoError(field(page, 'SMTP username'));
  await expect(page.getByText(/^\d+ fields need a change/).first()).toBeVisible();
  expect((await postroom.get(id)).version).toBe(version);
});

test('a field speaks after it was left, then follows the typing, and never blocks it', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  const port = field(page, 'SMTP port');
  await port.fill('0');
  expect(await errorOf(port)).toBe('');
  await field(page, 'Timeout').focus();
  await expectError(port, /Port 0 isn't possible/);
  await port.fill('25');
  await expectNoError(port);
  await port.fill('25x');
  await expectError(port, /“25x” isn't a whole number/);
  await expect(port).toHaveValue('25x');
});

test('fields that do not apply are hidden and not stored', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail', starttls: 'enabled' });
  await open(page, `/servers/${id}`);
  await expect(field(page, 'StartTLS')).toBeVisible();
  await page.getByRole('radio', { name: 'SMTPS' }).check();
  await expect(field(page, 'StartTLS')).toBeHidden();
  await expect(field(page, 'Allow credentials without encryption')).toBeHidden();
  // The port follows the protocol, because nobody typed one.
  await expect(field(page, 'SMTP port')).toHaveValue('465');
  await save(page);
  expect((await postroom.get(id)).server).not.toHaveProperty('starttls');

  await page.getByText(/^Advanced/).click();
  await expect(field(page, 'Azure application id')).toBeHidden();
  await field(page, 'Azure OAuth enabled').check();
  await expect(field(page, 'Azure application id')).toBeVisible();
  await expect(field(page, 'Azure tenant')).toBeVisible();
});

test('a port that was typed stays when the protocol changes', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await field(page, 'SMTP port').fill('2525');
  await page.getByRole('radio', { name: 'SMTPS' }).check();
  await expect(field(page, 'SMTP port')).toHaveValue('2525');
});

test('a stored password is kept, changed and removed', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail', username: 'anna', password: { value: 'first' } });
  await open(page, `/servers/${id}`);
  await field(page, 'Timeout').fill('20000');
  await save(page);
  expect((await postroom.get(id)).server?.has_password).toBe(true);

  await page.getByText('Change password').click();
  await field(page, 'SMTP password').fill('second');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expectError(field(page, 'Confirm SMTP password'), /The two passwords differ/);
  await field(page, 'Confirm SMTP password').fill('second');
  await save(page);
  await expect(page.getByText('SMTP password: set')).toBeVisible();

  await page.getByRole('checkbox', { name: 'Remove password' }).check();
  await field(page, 'SMTP username').fill('');
  await save(page);
  expect((await postroom.get(id)).server?.has_password).toBe(false);
});

test('an override needs a sender', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await page.getByText(/^Advanced/).click();
  await field(page, 'Override BPM mail node sender address').check();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expectError(field(page, 'Sender address'), /“Override BPM mail node sender address” needs this/);
  await expect(field(page, 'Sender address')).toBeFocused();
});

test('what is typed before the program runs is not lost', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  // Slow down the program, not the page.
  await page.route('**/*.wasm', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await route.continue();
  });
  await page.goto(`/servers/${id}`, { waitUntil: 'commit' });
  await field(page, 'SMTP hostname').fill('early.example.com');
  await field(page, 'Attachment as URL enabled').check();
  await running(page);
  await expect(field(page, 'SMTP hostname')).toHaveValue('early.example.com');
  await expect(field(page, 'Attachment as URL enabled')).toBeChecked();
  await expect(page.getByText('Unsaved changes')).toBeVisible();
  await save(page);
  expect((await postroom.get(id)).server).toMatchObject({ host: 'early.example.com', attachment_as_url: true });
});

test('what the server alone can know is said beside the field, and the typing stays', async ({ page, postroom, complaints }) => {
  await postroom.create({ name: 'taken' });
  const { id } = await postroom.create({ name: 'mail' });
  complaints.expect(/status of 422/);
  await open(page, `/servers/${id}`);
  await field(page, 'Name').fill('TAKEN');
  await field(page, 'SMTP hostname').fill('typed.example.com');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expectError(field(page, 'Name'), /Another server is called taken/);
  await expect(field(page, 'Name')).toBeFocused();
  await expect(field(page, 'SMTP hostname')).toHaveValue('typed.example.com');
  await field(page, 'Name').fill('free');
  await expect(page.getByText('Unsaved changes')).toBeVisible();
  await save(page);
});

test('the server that cannot be reached is said, and nothing typed is lost', async ({ page, postroom, complaints }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await field(page, 'SMTP hostname').fill('typed.example.com');
  complaints.expect(/ERR_CONNECTION_REFUSED/);
  await postroom.stop();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('Postroom doesn\'t answer');
  await expect(field(page, 'SMTP hostname')).toHaveValue('typed.example.com');
});
