// Screenshots of every screen and state, for people to look at: wide and narrow, light and dark.
//
//   node screens.mjs FOLDER        (after `cargo xtask build`)

import { chromium } from '@playwright/test';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SMTPServer } from 'smtp-server';

const folder = process.argv[2];
if (!folder) {
  console.error('Usage: node screens.mjs FOLDER');
  process.exit(2);
}
const binary = process.env.POSTROOM_BINARY ?? join(dirname(fileURLToPath(import.meta.url)), '..', 'target', 'release', 'postroom');
const executablePath = [process.env.POSTROOM_CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));

/** Starts Postroom in an empty data directory. */
async function startPostroom() {
  const dataDir = await mkdtemp(join(tmpdir(), 'postroom-screens-'));
  const child = spawn(binary, ['serve', '--addr', '127.0.0.1:0', '--data-dir', dataDir], { stdio: ['ignore', 'pipe', 'ignore'] });
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const ready = /^Postroom is ready at (http:\S+)/.exec(line)?.[1];
      if (ready) resolve(ready);
    });
    child.once('exit', (code) => reject(new Error(`postroom ended (${code})`)));
  });
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url: String(url), stop };
}

const account = { user: 'anna@example.com', password: 'right' };
const mail = new SMTPServer({
  disabledCommands: ['STARTTLS'],
  authMethods: ['PLAIN', 'LOGIN'],
  allowInsecureAuth: true,
  authOptional: true,
  disableReverseLookup: true,
  onAuth: (auth, _session, done) =>
    auth.password === account.password
      ? done(null, { user: auth.username })
      : done(Object.assign(new Error('5.7.8 Username and Password not accepted'), { responseCode: 535 })),
  onData: (stream, _session, done) => {
    stream.resume();
    stream.on('end', () => done(null, '2.0.0 Ok: queued as 4fZ1xQ3K2Mz9'));
  },
});
await new Promise((resolve) => mail.listen(0, '127.0.0.1', () => resolve(undefined)));
const address = mail.server.address();
const mailPort = address && typeof address === 'object' ? address.port : 0;
/** Takes connections and says nothing. */
const silent = createServer(() => undefined);
await new Promise((resolve) => silent.listen(0, '127.0.0.1', () => resolve(undefined)));

/** @param {string} label */
const labelled = (label) => new RegExp(`^${label}( \\(required\\))?$`);

/**
 * Goes through everything once and calls `shot` at each state.
 * @param {import('@playwright/test').Page} page
 * @param {string} url
 * @param {(name: string) => Promise<void>} shot
 */
async function visit(page, url, shot) {
  /** @param {string} path */
  const open = async (path) => {
    await page.goto(url + path);
    await running();
  };
  const running = () => page.getByRole('button', { name: 'Shortcuts' }).waitFor();
  /** @param {string} label */
  const field = (label) => page.getByLabel(labelled(label));
  /** @param {string} path @param {unknown} body */
  const api = async (path, body) => {
    const response = await fetch(`${url}/api/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return response.json();
  };
  const outcome = () => page.getByRole('button', { name: 'Copy details' }).waitFor();
  page.on('dialog', (dialog) => void dialog.accept());

  await open('/');
  await shot('list-empty');
  await open('/servers/new');
  await shot('new');
  await field('Name').fill('not a name');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await shot('new-refused');
  await field('Name').fill('mail');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await page.waitForURL(/servers\/\d+$/);
  await running();
  await shot('entry-new');

  const entry = {
    name: 'office', host: '127.0.0.1', port: mailPort, username: account.user, password: { value: 'wrong' },
    allow_plaintext_credentials: true, sender: 'Scan <scan@example.com>', timeout_ms: 1000,
  };
  const { id, version } = await api('servers/create', { server: entry });
  await api('servers/create', { server: { name: 'fax', kind: 'fax', protocol: 'smtps', host: 'fax-gw.example.com', port: 465, username: 'fax', sender: 'fax@example.com' } });
  await api('servers/create', { server: { name: 'legacy', host: '10.0.0.9', port: 25 } });
  await api('servers/create', { server: { name: 'a-name-that-is-exactly-as-long-as-a-name-may-be-which-is-64-char', host: `${'a-very-long-part-of-a-name.'.repeat(5)}example.com`, port: 587, starttls: 'enabled_and_required', username: 'somebody.with.a.long.name@subsidiary.example.com' } });
  await open('/');
  await shot('list');
  await page.getByRole('checkbox', { name: 'Select office' }).check();
  await shot('list-selected-one');
  await page.getByRole('checkbox', { name: 'Select fax' }).check();
  await shot('list-selected-two');
  await open('/?search=fax');
  await shot('list-search');
  await open('/?search=nothing+like+this');
  await shot('list-search-nothing');

  await open(`/servers/${id}`);
  await shot('entry');
  await field('Sender address').fill('J. Doe <j@example.com>');
  await field('To').fill('"Doe, Jo" <jo@example.com>, Team: jürg@example.ch, b@bücher.example;, root@localhost, jo@gmial.com');
  await shot('entry-addresses');
  await field('MIME address strict').uncheck();
  await field('To').fill('anna@example.com, "Lee, Al <al@example.com>');
  await field('To').blur();
  await shot('entry-addresses-lenient');
  await open(`/servers/${id}`);
  await page.getByText('Change password').click();
  await page.getByText(/^Advanced/).click();
  await shot('entry-unfolded');
  await page.getByRole('radio', { name: 'SMTPS' }).check();
  await shot('entry-smtps-unsaved');
  await page.getByRole('radio', { name: 'SMTP', exact: true }).check();
  await field('SMTP port').fill(String(mailPort));
  await field('From').fill('scan@example.com');
  await field('To').fill('anna@example.com');
  const send = page.getByRole('button', { name: 'Send test email' });
  await send.click();
  await outcome();
  await shot('test-wrong-password');
  await field('SMTP password').fill(account.password);
  await field('Confirm SMTP password').fill(account.password);
  await send.click();
  await page.getByText(/^Sent\./).waitFor();
  await shot('test-sent');
  for (const summary of await page.locator('.stages summary').all()) await summary.click();
  await shot('test-sent-unfolded');
  await field('Timeout').fill('1500');
  await shot('test-from-before');
  await field('StartTLS').selectOption('enabled_and_required');
  await send.click();
  await page.getByText(/^Not sent\./).waitFor();
  await shot('test-starttls-missing');
  const slow = silent.address();
  await field('SMTP port').fill(String(slow && typeof slow === 'object' ? slow.port : 0));
  await send.click();
  await shot('test-running');
  await outcome();
  await page.getByRole('region', { name: 'Earlier tests' }).getByText('just now').first().waitFor();
  await shot('test-timed-out');
  await field('SMTP hostname').fill('https://smtp.example.com:25/');
  await field('SMTP port').fill('0');
  await field('Sender address').fill('nobody@');
  await field('Max attachment threshold size').fill('10 bananas');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await shot('entry-refused');

  await open(`/servers/${id}`);
  await field('Sender address').fill('Mine <mine@example.com>');
  await api('servers/save', { id, version, server: { sender: 'theirs@example.com', timeout_ms: 3000 } });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('region', { name: 'Compare the two versions' }).waitFor();
  await shot('entry-stale');

  await open(`/servers/${id}`);
  await page.getByRole('region', { name: 'Earlier tests' }).getByRole('link').nth(2).click();
  await page.getByText(/^Earlier test, /).waitFor();
  await shot('entry-earlier-test');
  await api('servers/create', { server: { name: 'quiet', host: '127.0.0.1', port: slow && typeof slow === 'object' ? slow.port : 0, timeout_ms: 3000 } });
  await api('servers/create', { server: { name: 'works', host: '127.0.0.1', port: mailPort } });
  await open('/');
  await page.getByRole('button', { name: 'Test all' }).click();
  await page.getByText(/^Testing: /).first().waitFor();
  await shot('list-testing');
  await page.getByText(/^Tested all/).first().waitFor({ timeout: 30_000 });
  await shot('list-tested');
  await open('/');
  for (const name of ['quiet', 'works']) await page.getByRole('checkbox', { name: `Select ${name}`, exact: true }).check();
  await page.getByRole('group', { name: 'Selected servers' }).getByRole('button', { name: 'Trash' }).click();
  await page.waitForURL(/trash/);
  await running();
  await page.getByRole('button', { name: /^Trash 2/ }).click();
  await page.getByRole('button', { name: 'Undo' }).waitFor();
  await open('/');
  for (const name of ['mail', 'office', 'fax', 'legacy']) await page.getByRole('checkbox', { name: `Select ${name}`, exact: true }).check();
  await page.getByRole('group', { name: 'Selected servers' }).getByRole('button', { name: 'Trash' }).click();
  await page.waitForURL(/trash/);
  await running();
  await shot('trash-question');
  await page.getByRole('button', { name: /^Trash 4/ }).click();
  await page.getByRole('button', { name: 'Undo' }).waitFor();
  await running();
  await shot('list-undo');
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('checkbox', { name: 'Select fax' }).waitFor();
  await running();
  await page.getByRole('button', { name: 'Shortcuts' }).click();
  await shot('shortcuts');
  await page.keyboard.press('Escape');
  for (let number = 1; number <= 60; number += 1) await api('servers/create', { server: { name: `node-${number}`, host: `mail${number}.example.com` } });
  await open('/?page=2');
  await shot('list-pages');
  await page.goto(`${url}/nothing-here`);
  await shot('not-found');
}

await mkdir(folder, { recursive: true });
const args = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
if (process.getuid?.() === 0) args.push('--no-sandbox');
const browser = await chromium.launch({ ...(executablePath ? { executablePath } : {}), args });
let count = 0;
try {
  for (const width of [1280, 390]) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      const { url, stop } = await startPostroom();
      try {
        const context = await browser.newContext({ colorScheme, viewport: { width, height: width > 600 ? 900 : 844 }, reducedMotion: 'reduce', hasTouch: width < 600, isMobile: width < 600 });
        const page = await context.newPage();
        await visit(page, url, async (name) => {
          // Sticky parts belong where they are at first.
          await page.evaluate(() => window.scrollTo(0, 0));
          await page.waitForTimeout(100);
          await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
          count += 1;
        });
        await context.close();
      } finally {
        await stop();
      }
    }
  }
} finally {
  await browser.close();
  mail.close();
  silent.close();
}
console.log(`${count} screenshots in ${folder}`);
process.exit(0);
