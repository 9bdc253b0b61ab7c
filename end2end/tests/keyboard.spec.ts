// Everything with the keyboard alone: the mouse is never used here.

import type { Locator, Page } from '@playwright/test';
import { authority, fingerprint, selfSigned } from '../support/certificate.ts';
import { expect, expectOutcome, field, open, row, running, test, tryIt } from '../support/test.ts';

/** Presses Tab until `target` has the focus. On the way the focus is always somewhere, and visible. */
async function tabTo(page: Page, target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  for (let press = 0; press < 80; press += 1) {
    await page.keyboard.press(key);
    const visible = await page.evaluate(() => {
      const focused = document.activeElement;
      if (!focused || focused === document.body) return true;
      const style = getComputedStyle(focused);
      return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
    });
    expect(visible, 'what has the focus shows it').toBe(true);
    if (await target.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error(`Tab never reached ${target}`);
}

test('add, fill in, save, try, trash and undo', async ({ page, mail }) => {
  await open(page, '/');
  // The first stop is the way past the header.
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('link', { name: 'Add SMTP server' }));
  await page.keyboard.press('Enter');
  await running(page);
  await expect(field(page, 'Name')).toBeFocused();
  await page.keyboard.press('Enter');

  await expect(page).toHaveURL(/\/servers\/\d+$/);
  await running(page);
  await expect(field(page, 'SMTP hostname')).toBeFocused();
  await page.keyboard.type('127.0.0.1');
  await tabTo(page, field(page, 'SMTP port'));
  await page.keyboard.type(String(mail.port));
  await tabTo(page, field(page, 'StartTLS'));
  await page.keyboard.press('ArrowDown');
  await expect(field(page, 'StartTLS')).toHaveValue('enabled');
  await tabTo(page, field(page, 'MIME address strict'));
  await page.keyboard.press('Space');
  await expect(field(page, 'MIME address strict')).not.toBeChecked();
  await page.keyboard.press('Control+s');
  await expect(page.getByRole('status').filter({ hasText: /^Saved$/ })).toBeVisible();

  await tabTo(page, field(page, 'From'));
  await page.keyboard.type('scan@example.com');
  await page.keyboard.press('Tab');
  await expect(field(page, 'To')).toBeFocused();
  await page.keyboard.type('anna@example.com');
  // Enter here tries, it does not save.
  await page.keyboard.press('Enter');
  await expectOutcome(page, /^Sent\./);
  expect((await mail.message()).rcptTo).toEqual(['anna@example.com']);

  await tabTo(page, page.getByRole('link', { name: 'Back' }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await running(page);
  await tabTo(page, page.getByRole('checkbox', { name: 'Select mail' }));
  await page.keyboard.press('Space');
  await expect(page.getByText('1 selected')).toBeVisible();
  await tabTo(page, page.getByRole('group', { name: 'Selected servers' }).getByRole('button', { name: 'Trash' }));
  await page.keyboard.press('Enter');
  await running(page);
  await tabTo(page, page.getByRole('button', { name: 'Trash mail' }));
  await page.keyboard.press('Enter');
  await running(page);
  await tabTo(page, page.getByRole('button', { name: 'Undo' }));
  await page.keyboard.press('Enter');
  await running(page);
  await expect(row(page, 'mail')).toBeVisible();
});

test('shortcuts: / searches, n adds, t tries, ? lists them; the letters can be switched off', async ({ page, postroom, mail }) => {
  const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
  await open(page, '/');
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox')).toBeFocused();
  // A letter that is typed is a letter.
  await page.keyboard.press('n');
  await expect(page.getByRole('searchbox')).toHaveValue('n');
  await expect(page).not.toHaveURL(/new/);

  await open(page, '/');
  await page.keyboard.press('n');
  await expect(page).toHaveURL(/\/servers\/new$/);

  await open(page, `/servers/${id}`);
  await page.keyboard.press('t');
  await expectOutcome(page, /^Checked\./);

  await page.keyboard.press('?');
  const dialog = page.getByRole('dialog', { name: 'Shortcuts' });
  await expect(dialog).toBeVisible();
  await dialog.getByRole('checkbox', { name: 'Use single-letter shortcuts' }).press('Space');
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await open(page, '/');
  await page.keyboard.press('n');
  // The list of the shortcuts is behind a letter too; a key later, nothing has happened.
  await page.keyboard.press('?');
  await expect(dialog).toBeHidden();
  await expect(page).toHaveURL(/\/$/);
});

test('after a refused submit, the focus is on the first mistake', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await field(page, 'SMTP hostname').focus();
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Delete');
  await page.keyboard.press('Enter');
  await expect(field(page, 'SMTP hostname')).toBeFocused();
  await expect(field(page, 'SMTP hostname')).toHaveAttribute('aria-invalid', 'true');
});

test('from a failed test to a trusted certificate and a passing one', async ({ page, postroom, mailServer }) => {
  const identity = selfSigned();
  const mail = await mailServer({ tls: { identity } });
  const { id } = await postroom.create({ name: 'mail', host: 'localhost', port: mail.port, starttls: 'enabled_and_required' });
  await open(page, `/servers/${id}`);
  await page.keyboard.press('t');
  await expectOutcome(page, /^Check failed\./);
  await tabTo(page, tryIt(page).locator('.fix').getByRole('button', { name: 'Inspect certificate' }));
  await page.keyboard.press('Enter');
  // The verdict is read first; the way on leads past the fingerprint.
  await expect(page.locator('#verdict')).toBeFocused();
  await expect(page.getByText(fingerprint(identity.cert))).toBeVisible();
  await tabTo(page, page.getByRole('button', { name: 'Trust this certificate' }));
  await page.keyboard.press('Enter');
  await expect(tryIt(page).getByRole('button', { name: 'Check connection' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expectOutcome(page, /^Checked\./);

  // And back: tick, trash, undo.
  await page.keyboard.press('Shift+Tab');
  await open(page, '/');
  await tabTo(page, page.getByRole('navigation', { name: 'Postroom' }).getByRole('link', { name: 'Certificates' }));
  await page.keyboard.press('Enter');
  await running(page);
  await tabTo(page, page.getByRole('checkbox', { name: `Select localhost:${mail.port}` }));
  await page.keyboard.press('Space');
  await tabTo(page, page.getByRole('group', { name: 'Selected certificates' }).getByRole('button', { name: 'Trash' }));
  await page.keyboard.press('Enter');
  await running(page);
  await tabTo(page, page.getByRole('button', { name: /^Trash / }));
  await page.keyboard.press('Enter');
  await running(page);
  expect(await postroom.trusted()).toEqual([]);
  await tabTo(page, page.getByRole('button', { name: 'Undo' }));
  await page.keyboard.press('Enter');
  await running(page);
  expect(await postroom.trusted()).toHaveLength(1);
});

test('an authority is added, looked at and left', async ({ page, postroom }) => {
  const ca = authority();
  await open(page, '/certificates');
  await page.keyboard.press('n');
  await expect(page).toHaveURL(/\/certificates\/import$/);
  await running(page);
  await tabTo(page, page.getByLabel('Or paste PEM'));
  await page.keyboard.insertText(ca.cert);
  await tabTo(page, page.getByRole('button', { name: 'Preview' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: '1 will be added.' })).toBeFocused();
  await running(page);
  await tabTo(page, page.getByRole('button', { name: 'Add 1 certificate' }));
  await page.keyboard.press('Enter');
  await expect(page.locator('.notice').filter({ hasText: '1 authority added.' })).toBeFocused();
  await running(page);
  await tabTo(page, page.locator('.certificates summary'));
  await page.keyboard.press('Enter');
  await expect(page.getByText(fingerprint(ca.cert))).toBeVisible();
  expect(await postroom.trusted()).toHaveLength(1);
});
