// What was done, and servers as a file: with scripts and without, light and dark, wide and narrow.

import { readFile } from 'node:fs/promises';
import { expect, expectAccessible, test } from '../support/test.ts';

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? 'with scripts' : 'without scripts', () => {
    test.use({ javaScriptEnabled });

    test('a save is told with the values before and after', async ({ page, postroom }) => {
      const saved = await postroom.create({ name: 'mail', host: 'mail.example.com', username: 'anna', password: { value: 'canary-secret' } });
      await postroom.save(saved, { timeout_ms: 30000 });
      await page.goto('/activity');
      const line = page.getByRole('row').filter({ hasText: 'Saved a server' });
      await expect(line).toContainText('mail');
      await expect(line).toContainText('Timeout: 10000');
      await expect(line).toContainText('30000');
      expect(await page.content()).not.toContain('canary-secret');

      await page.getByLabel('Search').fill('nothing of the kind');
      await page.getByRole('button', { name: 'Filter' }).click();
      await expect(page.getByText('Nothing fits.')).toBeVisible();
      await page.getByRole('link', { name: 'Show all' }).click();
      await expect(line).toBeVisible();

      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export CSV' }).click()]);
      expect(download.suggestedFilename()).toBe('postroom-activity.csv');
      expect(await readFile(await download.path(), 'utf8')).toContain('timeout_ms: 10000 → 30000');
    });

    test('what was exported is taken in again after a look at it', async ({ page, postroom }) => {
      const { id } = await postroom.create({ name: 'mail', host: 'mail.example.com' });
      await page.goto('/');
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export' }).click()]);
      expect(download.suggestedFilename()).toBe('postroom-servers.json');
      const file = (await readFile(await download.path(), 'utf8')).replace('"timeout_ms":10000', '"timeout_ms":30000');

      await page.getByRole('link', { name: 'Import' }).click();
      await page.getByLabel('File').setInputFiles({ name: 'servers.json', mimeType: 'application/json', buffer: Buffer.from(file) });
      await page.getByRole('button', { name: 'Preview' }).click();
      await expect(page.getByRole('heading', { name: '1 changes.' })).toBeVisible();
      await expect(page.getByRole('checkbox', { name: 'Import mail' })).toBeChecked();
      expect((await postroom.get(id)).server?.timeout_ms).toBe(10000);
      await page.getByRole('button', { name: 'Import what is ticked' }).click();
      await expect(page.getByText('Imported: 1 server changed.')).toBeVisible();
      expect((await postroom.get(id)).server?.timeout_ms).toBe(30000);
    });
  });
}

test('a file with a password is refused where it was given', async ({ page, complaints }) => {
  complaints.expect(/status of 422/);
  await page.goto('/servers/import');
  await page.getByLabel('Or paste it').fill('{"name": "mail", "host": "mail.example.com", "password": {"value": "canary-secret"}}');
  await page.getByRole('button', { name: 'Preview' }).click();
  await expect(page.getByText('none are taken from one here')).toBeVisible();
  expect(await page.content()).not.toContain('canary-secret');
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [1180, 390]) {
    test(`axe finds nothing, ${colorScheme}, ${width} px`, async ({ page, postroom }) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await postroom.create({ name: 'mail', host: 'mail.example.com', username: 'anna' });
      const look = async (): Promise<void> => {
        await expectAccessible(page);
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)).toBe(true);
      };
      await page.goto('/activity');
      await look();
      await page.goto('/activity?search=nothing+of+the+kind');
      await look();
      await page.goto('/servers/import');
      await look();
      await page.getByLabel('Or paste it').fill('[{"name": "mail", "port": 587}, {"name": "new", "host": "new.example.com", "username": "x"}, {"name": "bad"}, {"name": "worse", "host": "a b"}]');
      await page.getByRole('button', { name: 'Preview' }).click();
      await look();
    });
  }
}
