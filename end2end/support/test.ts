// What every test has: a Postroom of its own, mail servers of its own, and a page on which any complaint of the browser is
// a failure.

import { AxeBuilder } from '@axe-core/playwright';
import { type Locator, type Page, test as base, expect } from '@playwright/test';
import { MailServer, type MailOptions } from './mail.ts';
import { Postroom } from './postroom.ts';

export { expect };

/** Collects what a browser complains about. */
export class Complaints {
  readonly list: string[] = [];
  readonly #expected: RegExp[] = [];

  /** This complaint belongs to the test, such as the one about an answer with an error status. */
  expect(pattern: RegExp): void {
    this.#expected.push(pattern);
  }

  watch(page: Page): void {
    page.on('console', (message) => {
      if (['error', 'warning', 'assert'].includes(message.type())) {
        this.list.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    page.on('pageerror', (error) => this.list.push(`uncaught: ${error.message}`));
    page.on('crash', () => this.list.push('the page crashed'));
    page.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText ?? '';
      // A page that is left takes its requests along.
      if (reason !== 'net::ERR_ABORTED') this.list.push(`request failed: ${request.url()} ${reason}`);
    });
  }

  /** What is left after what was expected. */
  unexpected(): string[] {
    return this.list.filter((complaint) => !this.#expected.some((pattern) => pattern.test(complaint)));
  }
}

interface Fixtures {
  /** Environment variables of the Postroom of this test. */
  postroomEnv: Record<string, string>;
  /** Whether there is an account, and the browser is signed in with it. */
  signedIn: boolean;
  postroom: Postroom;
  /** Starts another mail server; it ends with the test. */
  mailServer: (options?: MailOptions) => Promise<MailServer>;
  /** A mail server that takes everything. */
  mail: MailServer;
  complaints: Complaints;
}

export const test = base.extend<Fixtures>({
  postroomEnv: [{}, { option: true }],
  signedIn: [true, { option: true }],
  postroom: async ({ postroomEnv, signedIn }, use, info) => {
    const postroom = await Postroom.start(postroomEnv, signedIn);
    await use(postroom);
    await postroom.remove();
    if (info.status !== info.expectedStatus) await info.attach('log', { body: postroom.log, contentType: 'text/plain' });
    expect(postroom.log, 'the program must not panic').not.toMatch(/panicked at/);
  },
  mailServer: async ({}, use) => {
    const servers: MailServer[] = [];
    await use(async (options) => {
      const server = await MailServer.start(options);
      servers.push(server);
      return server;
    });
    await Promise.all(servers.map((server) => server.stop()));
  },
  mail: async ({ mailServer }, use) => use(await mailServer()),
  baseURL: async ({ postroom }, use) => use(postroom.url),
  complaints: async ({ javaScriptEnabled }, use) => {
    const complaints = new Complaints();
    if (!javaScriptEnabled) {
      // Where scripts are off, Chromium says that it blocked them, and that what they would have used was not used.
      complaints.expect(/^request failed: .*\/assets\/app\.\w+\.js csp$/);
      complaints.expect(/app_bg\.\w+\.wasm was preloaded using link preload but not used/);
    }
    await use(complaints);
    expect(complaints.unexpected(), 'the browser has nothing to complain about').toEqual([]);
  },
  context: async ({ context, postroom }, use) => {
    await context.addCookies(postroom.cookies());
    await use(context);
  },
  page: async ({ page, complaints }, use) => {
    complaints.watch(page);
    await use(page);
  },
});

/** Waits until the program runs on this page: its tools appear only then. */
export async function running(page: Page): Promise<void> {
  await expect(page.getByRole('button', { name: 'Shortcuts' })).toBeVisible();
}

/** Opens a page and waits until the program runs on it. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await running(page);
}

/** The control with this label, which may be marked as required. */
export function field(page: Page, label: string): Locator {
  const exactly = new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}( \\(required\\))?$`);
  // A section may have the same name.
  return page.getByLabel(exactly).and(page.locator('input, select, textarea'));
}

/** The row of the list with this name. */
export function row(page: Page, name: string): Locator {
  return page.getByRole('row').filter({ has: page.getByRole('rowheader').getByRole('link', { name, exact: true }) });
}

/** Ticks the rows with these names. */
export async function select(page: Page, ...names: string[]): Promise<void> {
  for (const name of names) await page.getByRole('checkbox', { name: `Select ${name}`, exact: true }).check();
}

/** The button of the bar under the list. */
export function chosen(page: Page, button: 'Edit' | 'Send test email' | 'Trash'): Locator {
  return page.getByRole('group', { name: 'Selected servers' }).getByRole('button', { name: button });
}

/** The sentence that is linked with a control as its error; empty where there is none. */
export async function errorOf(control: Locator): Promise<string> {
  return control.evaluate((element) => {
    const ids = (element.closest('fieldset') ?? element).getAttribute('aria-describedby') ?? element.getAttribute('aria-describedby') ?? '';
    const texts = ids.split(' ').filter((id) => id.endsWith('-error')).map((id) => document.getElementById(id)?.textContent?.trim() ?? '');
    return texts.join(' ');
  });
}

/** Expects an error at a control that is marked as wrong and linked with its sentence. */
export async function expectError(control: Locator, sentence: RegExp): Promise<void> {
  await expect(control).toHaveAttribute('aria-invalid', 'true');
  await expect.poll(() => errorOf(control)).toMatch(sentence);
}

/** Expects that a control is fine. */
export async function expectNoError(control: Locator): Promise<void> {
  await expect(control).not.toHaveAttribute('aria-invalid', 'true');
  expect(await errorOf(control)).toBe('');
}

/** The part of an entry's page that tries it. */
export function tryIt(page: Page): Locator {
  return page.getByRole('region', { name: 'Try it' });
}

/** Fills in who the test is from and for, and sends it. */
export async function sendTest(page: Page, from: string, to: string): Promise<void> {
  await field(page, 'From').fill(from);
  await field(page, 'To').fill(to);
  await tryIt(page).getByRole('button', { name: 'Send test email' }).click();
}

/** Expects the outcome of a test. */
export async function expectOutcome(page: Page, sentence: RegExp): Promise<void> {
  await expect(tryIt(page).getByRole('status').filter({ hasText: sentence })).toBeVisible({ timeout: 20_000 });
}

/** Saves an entry's page and waits until it is said to be saved. */
export async function save(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('status').filter({ hasText: /^Saved$/ })).toBeVisible();
}

/** Expects that axe finds nothing on the page as it is. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((node) => node.html).join('\n  ')}`);
  expect(found, `axe on ${page.url()}`).toEqual([]);
}
