// Address fields: a verdict while one types, on the very character, with a fix a click away, and how the text was read.

import type { Locator, Page } from '@playwright/test';
import { errorOf, expect, expectAccessible, expectError, expectNoError, field, open, test } from '../support/test.ts';

/** The group of elements around a control. */
const around = (control: Locator): Locator => control.locator('xpath=..');
/** The marked line under a control: what stands before, in and after the mark. */
const spot = (control: Locator): Promise<string[]> =>
  around(control).locator('.spot').evaluate((element) => Array.from(element.childNodes, (node) => node.textContent ?? '').filter((text) => text !== ''));
/** How the text in a control was read, a line for each mailbox. */
const readAs = (control: Locator): Locator => around(control).getByRole('list', { name: 'Read as' }).getByRole('listitem');
const fixes = (control: Locator): Locator => around(control).getByRole('button');

async function entry(page: Page, postroom: { create: (server: Record<string, unknown>) => Promise<{ id: number }> }): Promise<void> {
  const { id } = await postroom.create({ name: 'mail', host: 'mail.example.com' });
  await open(page, `/servers/${id}`);
}

test('a wrong character is named and marked at once, without leaving the field', async ({ page, postroom }) => {
  await entry(page, postroom);
  const sender = field(page, 'Sender address');
  await sender.pressSequentially('a,b@example.com');
  await expect(sender).toBeFocused();
  await expectError(sender, /A comma can't stand in the local part; put it in quotes: "a,b"@example\.com/);
  // For eyes, a mark; for ears, which character it is, in the text that belongs to the control.
  expect(await spot(sender)).toEqual(['a', ',', 'b@example.com']);
  expect(await errorOf(sender)).toMatch(/\. Character 2, a comma\.$/);
  await expect(around(sender).locator('[aria-live=polite]')).toContainText('A comma');
  const { mark, text } = await around(sender).locator('.spot').evaluate((element) => {
    const marked = element.querySelector('mark');
    return { mark: marked?.getBoundingClientRect().width ?? 0, text: marked && getComputedStyle(marked).borderBottomWidth };
  });
  expect(mark).toBeGreaterThan(2);
  expect(text).toBe('2px');
  await expectAccessible(page);
});

test('typing an address is not interrupted, and a pause gives the verdict', async ({ page, postroom }) => {
  // Time stands still, so that nothing depends on how fast this machine types.
  await page.clock.install();
  await entry(page, postroom);
  await page.clock.pauseAt(Date.now() + 60_000);
  const to = field(page, 'To');
  // Whatever is said while typing, however short, is remembered.
  await page.evaluate(() => {
    const said = document.getElementById('f-to-error');
    const heard: string[] = [];
    Object.assign(window, { heard });
    if (said) new MutationObserver(() => { if (said.textContent) heard.push(said.textContent); }).observe(said, { childList: true, subtree: true, characterData: true });
  });
  await to.pressSequentially('Jo Doe <jo@example.com>, "Lee, Al" <al@mail.example.com>');
  await expect(readAs(to)).toHaveCount(2);
  expect(await page.evaluate(() => (window as unknown as { heard: string[] }).heard)).toEqual([]);
  await to.fill('jo@example.com.');
  await expect(to).toBeFocused();
  await expectNoError(to);
  await page.clock.runFor(1_000);
  await expectError(to, /The domain ends with a dot; remove it/);
  expect(await spot(to)).toEqual(['jo@example.com', '.']);
});

test('each recipient shows as it was understood, groups and foreign names included', async ({ page, postroom }) => {
  await entry(page, postroom);
  const to = field(page, 'To');
  await to.fill('"Doe, Jo" <jo@example.com>, Team: jürg@example.ch, b@bücher.example;, c@xn--bcher-kva.example, root@localhost');
  await expect(readAs(to)).toHaveText([
    /^Doe, Jo jo@example\.com$/,
    /^Team: jürg@example\.ch needs SMTPUTF8/,
    /^Team: b@bücher\.example is sent as xn--bcher-kva\.example$/,
    /^c@xn--bcher-kva\.example reads bücher\.example$/,
    /^root@localhost no dot in the domain/,
  ]);
  await expectNoError(to);
  await to.fill(Array.from({ length: 30 }, (_, n) => `user${n}@example.com`).join(', '));
  await expect(readAs(to)).toHaveCount(21);
  await expect(readAs(to).last()).toHaveText('and 10 more');
  await to.fill('a@example.com b@example.com');
  await expectError(to, /A comma is missing between two addresses/);
  await expect(readAs(to)).toHaveCount(0);
});

const slips: [string, string, RegExp, string][] = [
  ['Sender address', 'jo@example.com.', /^Remove the dot$/, 'jo@example.com'],
  ['To', 'jo@example.com,', /^Remove the comma$/, 'jo@example.com'],
  ['Sender address', 'jo @example.com', /^Remove the spaces$/, 'jo@example.com'],
  ['Sender address', 'mailto:jo@example.com', /^Remove “mailto:”$/, 'jo@example.com'],
  ['Sender address', 'jo@example,com', /^Use a dot instead of the comma$/, 'jo@example.com'],
  ['Sender address', 'jo＠example.com', /^Use an ordinary @$/, 'jo@example.com'],
  ['Sender address', '“Doe, Jo” <jo@example.com>', /^Use straight quotation marks$/, '"Doe, Jo" <jo@example.com>'],
  ['Sender address', '“jo@example.com”', /^Remove the quotation marks$/, 'jo@example.com'],
  ['Sender address', 'jo@example.com;', /^Remove the semicolon$/, 'jo@example.com'],
  ['To', 'sales team sales@example.com', /^Put the address in angle brackets$/, 'sales team <sales@example.com>'],
  ['Sender address', 'J. Doe <jo@example.com>', /^Put the name in quotes$/, '"J. Doe" <jo@example.com>'],
  ['To', 'a@example.com; b@example.com', /^Put a comma between the addresses$/, 'a@example.com, b@example.com'],
];
for (const [label, typed, button, fixed] of slips) {
  test(`a slip is put right by one click: ${typed}`, async ({ page, postroom }) => {
    await entry(page, postroom);
    const control = field(page, label);
    await control.fill(typed);
    await expect(fixes(control)).toHaveText(button);
    await expect(fixes(control)).toHaveAccessibleDescription(fixed);
    await expect(control).toHaveValue(typed);
    await fixes(control).click();
    await expect(control).toHaveValue(fixed);
    await expect(control).toBeFocused();
    await expectNoError(control);
    await expect(fixes(control)).toHaveCount(0);
  });
}

test("a provider's misspelt domain is suggested and never forced", async ({ page, postroom }) => {
  await entry(page, postroom);
  const sender = field(page, 'Sender address');
  await sender.fill('jo@gmial.com');
  await expect(around(sender)).toContainText('Did you mean jo@gmail.com?');
  await expectNoError(sender);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('status').filter({ hasText: /^Saved$/ })).toBeVisible();
  await expect(sender).toHaveValue('jo@gmial.com');
  await fixes(sender).click();
  await expect(sender).toHaveValue('jo@gmail.com');
});

test('the switch decides at once, and the lenient reading shows itself', async ({ page, postroom }) => {
  await entry(page, postroom);
  const to = field(page, 'To');
  const strict = field(page, 'MIME address strict');
  await to.fill('J. Doe <jo..doe@example.com>; b@example.com');
  await expectError(to, /A name with a dot must be in quotes/);
  await expect(readAs(to)).toHaveCount(0);
  await strict.uncheck();
  await expectNoError(to);
  await expect(readAs(to)).toHaveText([/^J\. Doe "jo\.\.doe"@example\.com$/, /^b@example\.com$/]);
  await expect(around(to)).toContainText('Read leniently. Strictly: A name with a dot must be in quotes');
  await strict.check();
  await expectError(to, /A name with a dot must be in quotes/);
  // Lenient is no licence: what could change the dialogue or deceive is refused either way.
  await strict.uncheck();
  await to.fill('a@example.com\u{202e}');
  await expectError(to, /An invisible character \(U\+202E\) stands here/);
  expect(await spot(to)).toEqual(['a@example.com', '[U+202E]']);
  await expectAccessible(page);
});

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });
  test('the answer marks the character, too', async ({ page, postroom, complaints }) => {
    complaints.expect(/status of 422/);
    const { id } = await postroom.create({ name: 'mail', host: 'mail.example.com' });
    await page.goto(`/servers/${id}`);
    const sender = field(page, 'Sender address');
    await sender.fill('a,b@example.com');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await expectError(field(page, 'Sender address'), /A comma can't stand in the local part.*Character 2, a comma/);
    expect(await spot(field(page, 'Sender address'))).toEqual(['a', ',', 'b@example.com']);
    await expect(fixes(field(page, 'Sender address'))).toBeHidden();
  });
});
