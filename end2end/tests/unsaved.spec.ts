// Leaving a page with unsaved changes asks, whatever the way out.

import type { Page } from '@playwright/test';
import { expect, field, open, running, save, test } from '../support/test.ts';

/** Does something that leaves the page; true if the browser asked. The answer is to stay. */
async function asks(page: Page, leave: () => Promise<unknown>): Promise<boolean> {
  const asked = page.waitForEvent('dialog', { timeout: 5_000 }).then(
    async (dialog) => {
      expect(dialog.type()).toBe('beforeunload');
      await dialog.dismiss();
      return true;
    },
    () => false,
  );
  await leave().catch(() => undefined);
  return asked;
}

test('the link back, a reload and the list ask while something is unsaved', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, '/');
  await page.getByRole('link', { name: 'mail', exact: true }).click();
  await running(page);
  await field(page, 'Timeout').fill('20000');
  await expect(page.getByText('Unsaved changes')).toBeVisible();

  expect(await asks(page, () => page.getByRole('link', { name: 'Back' }).click({ noWaitAfter: true }))).toBe(true);
  expect(await asks(page, () => page.getByRole('link', { name: 'Postroom' }).click({ noWaitAfter: true }))).toBe(true);
  expect(await asks(page, () => page.reload({ timeout: 3_000 }))).toBe(true);
  await expect(page).toHaveURL(new RegExp(`/servers/${id}$`));
  await expect(field(page, 'Timeout')).toHaveValue('20000');

  // Typing back what is stored leaves nothing to ask about.
  await field(page, 'Timeout').fill('10000');
  await expect(page.getByText('Unsaved changes')).toBeHidden();
  await page.getByRole('link', { name: 'Back' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Mail SMTP servers' })).toBeVisible();
});

test('after a save nothing asks', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail' });
  await open(page, `/servers/${id}`);
  await field(page, 'Timeout').fill('20000');
  await save(page);
  let asked = false;
  page.on('dialog', (dialog) => {
    asked = true;
    void dialog.accept();
  });
  await page.getByRole('link', { name: 'Back' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Mail SMTP servers' })).toBeVisible();
  expect(asked).toBe(false);
});

test('a typed password alone counts as a change', async ({ page, postroom }) => {
  const { id } = await postroom.create({ name: 'mail', username: 'anna', password: { value: 'first' } });
  await open(page, `/servers/${id}`);
  await page.getByText('Change password').click();
  await field(page, 'SMTP password').fill('x');
  expect(await asks(page, () => page.getByRole('link', { name: 'Back' }).click({ noWaitAfter: true }))).toBe(true);
});
