// Fax servers: what a gateway makes of numbers is seen while it is entered, and a test fax arrives as it was shown.

import { errorOf, expect, expectAccessible, expectError, expectNoError, expectOutcome, field, open, save, test, tryIt } from '../support/test.ts';
import type { Page } from '@playwright/test';

/** The line beneath the fax fields. */
const example = (page: Page) => page.locator('#fax-example');

test('an example follows what is typed, and only a fax server has these fields', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'fax' });
  await open(page, `/servers/${id}`);
  await expect(page.getByRole('region', { name: 'Fax', exact: true })).toBeHidden();
  await expect(field(page, 'To')).toBeVisible();
  await page.getByRole('radio', { name: 'Fax server' }).check();
  await expect(page.getByRole('region', { name: 'Fax', exact: true })).toBeVisible();
  await expect(example(page)).toHaveText(/ goes to FAX=\+4930123456@mail\.example\.com$/);
  await field(page, 'SMTP hostname').fill('');
  await expect(example(page)).toBeHidden();
  await field(page, 'SMTP hostname').fill('gw.example.com');
  await expect(example(page)).toHaveText('A fax to +49 30 123456 goes to FAX=+4930123456@gw.example.com');
  await field(page, 'Fax domain').fill('fax.example.com');
  await expect(example(page)).toHaveText(/ goes to FAX=\+4930123456@fax\.example\.com$/);
  await field(page, 'Fax prefix').fill('00');
  await expect(example(page)).toHaveText(/ goes to FAX=004930123456@fax\.example\.com$/);
  await field(page, 'Country').fill('it');
  await expect(page.getByText('= +39')).toBeVisible();
  await expect(example(page)).toHaveText('A fax to +39 06 123456 goes to FAX=003906123456@fax.example.com');
  await field(page, 'Fax address').selectOption('number@domain');
  await expect(example(page)).toHaveText(/ goes to 003906123456@fax\.example\.com$/);

  // An own address has its own domain and its own prefix.
  await field(page, 'Fax address').selectOption('Own address');
  await expect(field(page, 'Fax domain')).toBeHidden();
  await expect(field(page, 'Fax prefix')).toBeHidden();
  await expect(example(page)).toBeHidden();
  await field(page, 'Own address').fill('fax@fax.example.com');
  await field(page, 'Own address').blur();
  await expectError(field(page, 'Own address'), /Every fax would go to the same address/);
  await field(page, 'Own address').fill('/fax={e164}/@fax.example.com');
  await expectNoError(field(page, 'Own address'));
  await expect(example(page)).toHaveText(/ goes to \/fax=\+3906123456\/@fax\.example\.com$/);
  await save(page);
  expect((await postroom.get(id)).server).toMatchObject({
    kind: 'fax', fax_address: 'own', fax_template: '/fax={e164}/@fax.example.com', fax_domain: '', fax_prefix: '', fax_country: 'IT',
  });
  // Typed over, it is a mail server again, and nothing of it is kept.
  await page.getByRole('radio', { name: 'SMTP server' }).check();
  await expect(page.getByRole('region', { name: 'Fax', exact: true })).toBeHidden();
  await save(page);
  expect((await postroom.get(id)).server).not.toHaveProperty('fax_address');
});

test('a fax server is entered, and a test fax arrives with a page', async ({ page, mail }) => {
  await open(page, '/servers/new');
  await field(page, 'Name').fill('fax');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'fax' })).toBeVisible();
  await page.getByRole('radio', { name: 'Fax server' }).check();
  await field(page, 'SMTP hostname').fill('127.0.0.1');
  await field(page, 'SMTP port').fill(`${mail.port}`);
  await field(page, 'Fax domain').fill('fax.example.com');
  await field(page, 'Country').fill('DE');

  await field(page, 'From').fill('scan@example.com');
  await expect(field(page, 'Attach a file of')).toBeHidden();
  const number = field(page, 'Fax number');
  await number.fill('123456');
  await number.blur();
  await expectError(number, /Begin with the area code, or with \+49/);
  await number.fill('030 / 12 34-56');
  await expectNoError(number);
  await expect(tryIt(page).getByText('Goes to FAX=+4930123456@fax.example.com')).toBeVisible();
  await expectAccessible(page);

  await tryIt(page).getByRole('button', { name: 'Check connection' }).click();
  await expectOutcome(page, /^Checked/);
  expect(mail.received).toEqual([]);
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectOutcome(page, /^Sent/);
  const [received] = mail.received;
  expect(mail.received).toHaveLength(1);
  expect(received!.rcptTo).toEqual(['FAX=+4930123456@fax.example.com']);
  expect(received!.mail.attachments.map(({ contentType, filename }) => [contentType, filename])).toEqual([['application/pdf', 'postroom-test-fax.pdf']]);
  const pdf = received!.mail.attachments[0]!.content.toString('latin1');
  expect(pdf).toMatch(/^%PDF-1\.4\n[^]*\(Postroom test fax\)[^]*%%EOF\n$/);

  // What was proven is saved, and counts.
  await save(page);
  await page.reload();
  await expect(page.getByText(/^Verified/).first()).toBeVisible();
});

test('without a number nothing is sent, and the field is called what it is', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'fax', kind: 'fax', host: '127.0.0.1', port: mail.port, sender: 'scan@example.com' });
  await open(page, `/servers/${id}`);
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expect(field(page, 'Fax number')).toBeFocused();
  await expectError(field(page, 'Fax number'), /Enter the fax number/);
  expect(mail.connections).toBe(0);
  // An address is one already.
  await field(page, 'Fax number').fill('FAX=+431588580@gw.example.com');
  await expectNoError(field(page, 'Fax number'));
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
  await expectOutcome(page, /^Sent/);
  expect(mail.received[0]!.rcptTo).toEqual(['FAX=+431588580@gw.example.com']);
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('a fax server is entered and tried by forms alone', async ({ page, postroom, mail, complaints }) => {
    complaints.expect(/status of 422/);
    const { id } = await postroom.create({ name: 'fax' });
    await page.goto(`/servers/${id}`);
    await page.getByRole('radio', { name: 'Fax server' }).check();
    await field(page, 'SMTP hostname').fill('127.0.0.1');
    await field(page, 'SMTP port').fill(`${mail.port}`);
    await field(page, 'Sender address').fill('scan@example.com');
    await field(page, 'Fax address').selectOption('number@domain');
    await field(page, 'Fax domain').fill('fax.example.com');
    await field(page, 'Country').fill('Germany');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await expectError(field(page, 'Country'), /“Germany” isn't the code of a country/);
    await field(page, 'Country').fill('DE');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await expect(example(page)).toHaveText('A fax to +49 30 123456 goes to 4930123456@fax.example.com');

    await field(page, 'Fax number').fill('1-800-FLOWERS');
    await page.getByRole('button', { name: 'Send test email' }).click();
    await expectError(field(page, 'Fax number'), /“F” can't stand here in a fax number/);
    await expect(page.getByRole('alert').getByRole('link', { name: 'Fax number' })).toBeVisible();
    expect(mail.connections).toBe(0);
    await field(page, 'Fax number').fill('030 123456');
    await page.getByRole('button', { name: 'Send test email' }).click();
    await expect(page.locator('#outcome')).toContainText('Sent');
    await expect(page.getByText('Goes to 4930123456@fax.example.com', { exact: true })).toBeVisible();
    expect(mail.received.map((received) => received.rcptTo)).toEqual([['4930123456@fax.example.com']]);
  });
});

test('the narrow page has no sideways scrolling, whatever a number leads to', async ({ page, postroom }) => {
  const host = `${'a-very-long-label-of-a-host-name.'.repeat(5)}example.com`;
  const { id } = await postroom.create({ name: 'fax', kind: 'fax', host, fax_country: 'DE', fax_prefix: '0p0p0p0p0p0p0p0p' });
  await page.setViewportSize({ width: 390, height: 844 });
  await open(page, `/servers/${id}`);
  await field(page, 'Fax number').fill('030 123456, 030 123457');
  await expect(tryIt(page).getByText(/^Goes to FAX=0p0p/)).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await expectAccessible(page);
  expect(await errorOf(field(page, 'Fax number'))).toBe('');
});
