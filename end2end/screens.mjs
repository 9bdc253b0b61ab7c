// Screenshots of every screen and state, for people to look at: wide and narrow, light and dark.
//
//   node screens.mjs FOLDER [trust|access|oauth|fax|messages]        (after `cargo xtask build`; a word takes those of one part alone)

import { chromium } from '@playwright/test';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SMTPServer } from 'smtp-server';
import ts from 'typescript';

const [, , folder, what] = process.argv;
if (!folder || (what !== undefined && !['trust', 'access', 'oauth', 'fax', 'messages'].includes(what))) {
  console.error('Usage: node screens.mjs FOLDER [trust|access|oauth|fax|messages]');
  process.exit(2);
}
const PASSWORD = 'seven quiet lighthouses';
// The sign-in service of the tests, as JavaScript beside what it imports.
const compiled = join(dirname(fileURLToPath(import.meta.url)), 'node_modules', '.cache', 'oauth.mjs');
mkdirSync(dirname(compiled), { recursive: true });
const source = readFileSync(new URL('support/oauth.ts', import.meta.url), 'utf8');
writeFileSync(compiled, ts.transpile(source, { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }));
/** @type {typeof import('./support/oauth.ts')} */
const { SignInService, refusal } = await import(compiled);
/** The session of the first account, as a header. */
let cookie = '';
const binary = process.env.POSTROOM_BINARY ?? join(dirname(fileURLToPath(import.meta.url)), '..', 'target', 'release', 'postroom');
const executablePath = [process.env.POSTROOM_CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));

const pki = mkdtempSync(join(tmpdir(), 'postroom-screens-pki-'));
/** @param {number} days from now, as `openssl ca` has it. */
const day = (days) => new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '').slice(2);

/**
 * A certificate, made by OpenSSL.
 * @param {{ name: string, subject: string, names?: string, from?: number, to?: number, ca?: string, authority?: boolean }} options
 */
function certificate({ name, subject, names = 'DNS:localhost', from = -400, to = 300, ca, authority = false }) {
  const dir = join(pki, name);
  mkdirSync(dir);
  for (const [file, text] of [['index', ''], ['serial', `0${Math.floor(Math.random() * 1e9)}`.slice(0, 8)]]) writeFileSync(join(dir, String(file)), String(text));
  const issuer = join(pki, ca ?? name);
  writeFileSync(join(dir, 'config'), `[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=${dir}\ndatabase=${dir}/index\nserial=${dir}/serial\ndefault_md=sha256\npolicy=p\nx509_extensions=e\nprivate_key=${issuer}/key.pem\n${ca ? `certificate=${issuer}/cert.pem\n` : ''}[p]\ncommonName=supplied\norganizationName=optional\n[e]\n${authority ? 'basicConstraints=critical,CA:TRUE' : `subjectAltName=${names}`}\n`);
  const run = (/** @type {string[]} */ ...args) => execFileSync('openssl', args, { stdio: 'ignore' });
  run('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(dir, 'key.pem'), '-subj', subject, '-out', join(dir, 'request.pem'));
  run('ca', '-batch', '-notext', '-config', join(dir, 'config'), ...(ca ? [] : ['-selfsign']), '-startdate', day(from), '-enddate', day(to), '-in', join(dir, 'request.pem'), '-out', join(dir, 'cert.pem'));
  return { key: readFileSync(join(dir, 'key.pem'), 'utf8'), cert: readFileSync(join(dir, 'cert.pem'), 'utf8') };
}
const root = certificate({ name: 'root', subject: '/O=Example Corporation/CN=Example Corporation Root CA', authority: true, to: 5000 });
const identities = {
  signed: certificate({ name: 'signed', subject: '/O=Example Corporation/CN=mail.example.com', names: 'DNS:mail.example.com,DNS:localhost', ca: 'root' }),
  old: certificate({ name: 'old', subject: '/O=Example Corporation/CN=mail.old.example', names: 'DNS:mail.old.example', from: -800, to: -3 }),
  renewed: certificate({ name: 'renewed', subject: '/O=Example Corporation/CN=mail.old.example', names: 'DNS:mail.old.example,DNS:localhost', from: -1, to: 364 }),
  client: certificate({ name: 'client', subject: '/O=Example Corporation/CN=postroom.example.com', ca: 'root', to: 12 }),
};
rmSync(pki, { recursive: true });

/** Starts Postroom in an empty data directory. */
async function startPostroom() {
  const dataDir = await mkdtemp(join(tmpdir(), 'postroom-screens-'));
  // Sign-in services in clear are for development, and this says that it is.
  const env = { ...process.env, POSTROOM_OAUTH_AUTHORITY: 'http://127.0.0.2:9' };
  const child = spawn(binary, ['serve', '--addr', '127.0.0.1:0', '--data-dir', dataDir], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  let url = '';
  const link = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      url ||= /^Postroom is ready at (http:\S+)/.exec(line)?.[1] ?? '';
      const made = /^Set up the first account within one hour: (\S+)/.exec(line)?.[1];
      if (made) resolve(made);
    });
    child.once('exit', (code) => reject(new Error(`postroom ended (${code})`)));
  });
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  };
  // The first account, by the link.
  const form = { token: new URL(link).searchParams.get('token') ?? '', name: 'anna', new_password: PASSWORD, new_password_confirm: PASSWORD };
  const response = await fetch(`${url}/welcome`, { method: 'POST', redirect: 'manual', headers: { origin: url }, body: new URLSearchParams(form) });
  cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  return { url, stop };
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
/** Offers encryption, with a certificate that changes. */
const encrypted = new SMTPServer({ authOptional: true, disabledCommands: ['AUTH'], disableReverseLookup: true, ...identities.signed });
encrypted.on('error', () => undefined);
await new Promise((resolve) => encrypted.listen(0, '127.0.0.1', () => resolve(undefined)));
const encryptedAddress = encrypted.server.address();
const encryptedPort = encryptedAddress && typeof encryptedAddress === 'object' ? encryptedAddress.port : 0;
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
    const response = await fetch(`${url}/api/${path}`, { method: 'POST', headers: { 'content-type': 'application/json', origin: url, cookie }, body: JSON.stringify(body) });
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

/**
 * The same for everything about certificates.
 * @param {import('@playwright/test').Page} page
 * @param {string} url
 * @param {(name: string) => Promise<void>} shot
 */
async function visitTrust(page, url, shot) {
  const running = () => page.getByRole('button', { name: 'Shortcuts' }).waitFor();
  /** @param {string} path */
  const open = async (path) => {
    await page.goto(url + path);
    await running();
  };
  /** @param {string} path @param {unknown} body */
  const api = async (path, body) => {
    const response = await fetch(`${url}/api/${path}`, { method: 'POST', headers: { 'content-type': 'application/json', origin: url, cookie }, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return response.json();
  };
  const press = (/** @type {string} */ name) => page.getByRole('button', { name, exact: true }).first().click();
  const server = { host: 'localhost', port: encryptedPort, starttls: 'enabled_and_required' };
  encrypted.updateSecureContext({ key: identities.signed.key, cert: identities.signed.cert + root.cert });

  await open('/certificates');
  await shot('certificates-empty');
  await open('/certificates/import');
  await shot('import');
  await press('Preview');
  await running();
  await shot('import-refused');
  await page.getByLabel('Or paste PEM').fill(root.cert + root.key + identities.old.cert + identities.signed.cert);
  await press('Preview');
  await running();
  await shot('import-preview');

  const { id } = await api('servers/create', { server: { name: 'mail', ...server } });
  await open(`/servers/${id}`);
  await press('Check connection');
  await page.getByText(/^Check failed\./).waitFor();
  await shot('inspect-failed-test');
  await page.locator('.fix').getByRole('button').click();
  await page.getByText('What was said').waitFor();
  await shot('inspect-unknown');
  await press('Trust this certificate');
  await page.getByText('Trusted. Check the connection now.').waitFor();
  await shot('inspect-trusted');
  await press('Check connection');
  await page.getByText(/^Checked\./).waitFor();
  encrypted.updateSecureContext(identities.renewed);
  await press('Check connection');
  await page.getByText(/^Check failed\./).waitFor();
  await shot('inspect-changed-test');
  await press('Inspect certificate');
  await page.getByText('Presented now').waitFor();
  await shot('inspect-changed');
  await press('Trust this one instead');
  await page.getByText('Trusted. Check the connection now.').waitFor();
  await press('Inspect certificate');
  await page.getByText('What was said').waitFor();
  await shot('inspect-fine');
  encrypted.updateSecureContext(identities.old);
  const other = await api('servers/create', { server: { name: 'legacy', ...server, host: '127.0.0.1' } });
  await open(`/servers/${other.id}`);
  await press('Inspect certificate');
  await page.getByText('What was said').waitFor();
  await shot('inspect-expired');
  await press('Trust it although it expired');
  await page.getByText('Trusted. Check the connection now.').waitFor();
  await api('servers/create', { server: { name: 'plain', host: 'localhost', port: mailPort } });

  await open(`/servers/${id}/client-certificate`);
  await shot('client-certificate-none');
  await page.getByLabel('Or paste PEM').fill(identities.client.cert);
  await press('Keep this certificate');
  await running();
  await shot('client-certificate-refused');
  await page.getByLabel('Or paste PEM').fill(identities.client.cert + identities.client.key);
  await press('Keep this certificate');
  await page.waitForURL(/servers\/\d+(\?|#|$)/);
  await running();
  await page.getByLabel('Certificate name').fill('mail.old.example');
  await shot('entry-advanced');
  await open(`/servers/${id}/client-certificate`);
  await page.getByText('Remove client certificate').first().click();
  await shot('client-certificate');
  await open('/');
  await shot('list-expiring');

  await api('certificates/add', { pem: root.cert });
  encrypted.updateSecureContext({ key: identities.signed.key, cert: identities.signed.cert + root.cert });
  const signed = await api('servers/create', { server: { name: 'signed', ...server, host: '127.0.0.2', certificate_name: 'mail.example.com' } });
  await api('servers/test', { id: signed.id, check_only: true });
  await open('/certificates');
  await shot('certificates');
  for (const summary of await page.locator('.certificates summary').all()) await summary.click();
  await page.getByRole('main').getByRole('checkbox').first().check();
  await shot('certificates-opened');
  await press('Stop trusting them');
  await running();
  await shot('certificates-system-off');
  await press('Trust them again');
  await running();
  for (const box of await page.getByRole('main').getByRole('checkbox').all()) await box.check();
  await page.getByRole('group', { name: 'Selected certificates' }).getByRole('button', { name: 'Trash' }).click();
  await running();
  await shot('trash-certificates');
  await page.getByRole('button', { name: /^Trash / }).click();
  await page.getByRole('button', { name: 'Undo' }).waitFor();
  await shot('certificates-undo');
  await page.getByRole('button', { name: 'Undo' }).click();
  await running();
  if (existsSync('/etc/ssl/certs/ca-certificates.crt')) {
    await open('/certificates/import');
    await page.getByLabel('File', { exact: true }).setInputFiles('/etc/ssl/certs/ca-certificates.crt');
    await press('Preview');
    await page.getByRole('button', { name: /^Add / }).waitFor();
    await shot('import-preview-many');
    await page.getByRole('button', { name: /^Add / }).click();
    await page.getByText(/authorities added/).waitFor();
    await shot('certificates-many');
  }
}

/**
 * Goes through signing in, accounts and tokens.
 * @param {import('@playwright/test').Page} page
 * @param {string} url
 * @param {(name: string) => Promise<void>} shot
 */
async function visitAccess(page, url, shot) {
  const open = async (/** @type {string} */ path) => {
    await page.goto(url + path);
    await page.getByRole('button', { name: 'Shortcuts' }).waitFor();
  };
  const press = (/** @type {string} */ name) => page.getByRole('main').getByRole('button', { name, exact: true }).first().click();
  await open('/accounts');
  await page.getByLabel('Name').fill('no good');
  await press('Add account');
  await shot('accounts-refused');
  await page.getByLabel('Name').fill('benedikt');
  await press('Add account');
  await shot('account-link');
  const link = await page.locator('output').textContent();
  await open('/accounts');
  await shot('accounts');
  await page.getByRole('link', { name: 'benedikt' }).click();
  await page.getByText('Remove account').click();
  await shot('account-of-another');
  await open('/tokens');
  await shot('tokens-empty');
  await open('/tokens/new');
  await page.getByLabel('What it is for').fill('scanner');
  await page.getByRole('group', { name: 'With' }).getByLabel('Only these:').check();
  await page.getByRole('group', { name: 'For' }).getByLabel('Only these:').check();
  await shot('token-new');
  await page.getByRole('group', { name: 'With' }).getByLabel('All servers').check();
  await page.getByLabel('Test servers').check();
  await page.getByLabel('Ends after days').fill('90');
  await press('Make token');
  await shot('token-made');
  await open('/tokens');
  await shot('tokens');
  await page.getByRole('link', { name: 'Revoke scanner' }).click();
  await shot('token-revoke');
  await open('/account');
  await press('Switch on');
  await page.getByRole('img', { name: 'QR code with the secret' }).waitFor();
  await shot('second-factor');
  await open('/account');
  await page.getByText('Change password').first().click();
  await shot('own-account');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await shot('sign-in');
  await page.getByLabel('Name').fill('anna');
  await page.getByLabel('Password').fill('something else');
  await press('Sign in');
  await shot('sign-in-refused');
  await page.goto(String(link));
  await shot('welcome');
}

/**
 * Goes through signing in at a sign-in service.
 * @param {import('@playwright/test').Page} page
 * @param {string} url
 * @param {(name: string) => Promise<void>} shot
 */
async function visitSignIns(page, url, shot) {
  const service = await SignInService.start('example.com');
  const running = () => page.getByRole('button', { name: 'Shortcuts' }).waitFor();
  const open = async (/** @type {string} */ path) => {
    await page.goto(url + path);
    await running();
  };
  const press = (/** @type {string} */ name) => page.getByRole('main').getByRole('button', { name, exact: true }).first().click();
  /** @param {string} name @param {string} strategy @param {object} more */
  const add = async (name, strategy, more = {}) => {
    const azure_oauth = { application_id: '11111111-2222-3333-4444-555555555555', tenant: 'example.com', authority: service.authority, strategy, ...more };
    const server = { name, host: 'smtp.office365.com', port: 587, starttls: 'enabled_and_required', username: 'scan@example.com', azure_oauth };
    const response = await fetch(`${url}/api/servers/create`, { method: 'POST', headers: { 'content-type': 'application/json', origin: url, cookie }, body: JSON.stringify({ server }) });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()).id;
  };
  const [inBrowser, device, secret] = [await add('browser', 'authorization_code'), await add('device', 'device_code'), await add('application', 'client_credentials', { secret_expires: new Date(Date.now() + 12 * 86_400_000).toISOString().slice(0, 10) })];
  await add('missing', 'authorization_code');
  await open(`/servers/${secret}`);
  await shot('oauth-form');
  await open(`/servers/${secret}/azure`);
  await shot('oauth-untried');
  await open(`/servers/${inBrowser}/azure`);
  await shot('oauth-missing');
  // Where the program doesn't run, these two stay.
  const program = /\/assets\/app.*\.js$/;
  await page.route(program, (route) => route.fulfill({ contentType: 'text/javascript', body: 'export default () => {}; export const hydrate = () => {};' }));
  await page.goto(`${url}/servers/${inBrowser}/azure`);
  await press('Sign in');
  await shot('oauth-leave');
  await page.getByRole('link', { name: /^Go to/ }).click();
  await page.getByRole('button', { name: 'Accept' }).click();
  await page.getByRole('button', { name: 'Finish signing in' }).waitFor();
  await shot('oauth-arrive');
  await page.unroute(program);
  await press('Finish signing in');
  await running();
  await shot('oauth-signed-in');
  await page.locator('summary', { hasText: 'Sign out' }).click();
  await shot('oauth-sign-out');
  await open(`/servers/${inBrowser}`);
  await shot('oauth-entry');
  service.refusal = refusal('invalid_grant', 50173, 'The provided grant has expired due to it being revoked, a fresh auth token is needed.');
  await open(`/servers/${inBrowser}/azure`);
  await press('Renew now');
  await running();
  await shot('oauth-failing');
  service.refusal = undefined;
  await open('/oauth/callback?state=a&code=b');
  await shot('oauth-gone');
  await open(`/servers/${device}/azure`);
  await press('Get a code');
  await running();
  await shot('oauth-device');
  service.enter((await page.locator('#device output').textContent()) ?? '', false);
  await page.getByText('The code came to nothing').waitFor();
  await running();
  await shot('oauth-device-declined');
  await open('/');
  await shot('oauth-list');
  await service.stop();
}

/**
 * A fax server: what its gateway makes of numbers, and a test fax.
 * @param {import('@playwright/test').Page} page
 * @param {string} url
 * @param {(name: string) => Promise<void>} shot
 */
async function visitFax(page, url, shot) {
  const field = (/** @type {string} */ label) => page.getByLabel(labelled(label)).and(page.locator('input, select'));
  const press = (/** @type {string} */ name) => page.getByRole('button', { name, exact: true }).first().click();
  const server = { name: 'gateway', kind: 'fax', host: '127.0.0.1', port: mailPort, sender: 'fax@example.com', fax_domain: 'fax.example.com', fax_country: 'DE' };
  const body = JSON.stringify({ server });
  const response = await fetch(`${url}/api/servers/create`, { method: 'POST', headers: { 'content-type': 'application/json', origin: url, cookie }, body });
  const { id } = /** @type {{ id: number }} */ (await response.json());
  await page.goto(`${url}/servers/${id}`);
  await page.getByRole('button', { name: 'Shortcuts' }).waitFor();
  await shot('fax');
  await field('Fax number').fill('030 / 12 34 56');
  await press('Send test email');
  await page.getByRole('button', { name: 'Copy details' }).waitFor();
  await shot('fax-sent');
  await field('Fax number').fill('123456');
  await field('Fax address').selectOption('own');
  await field('Own address').fill('fax@fax.example.com');
  await field('Country').fill('Germany');
  await press('Save');
  await shot('fax-refused');
}

/**
 * What applications send, and the links in it.
 * @param {import('@playwright/test').Page} page
 * @param {string} url
 * @param {(name: string) => Promise<void>} shot
 */
async function visitMessages(page, url, shot) {
  await page.goto(`${url}/messages`);
  await shot('messages-empty');
  await page.goto(`${url}/links`);
  await shot('links-empty');
  const headers = { 'content-type': 'application/json', origin: url, cookie };
  /** @param {string} path @param {unknown} body */
  const post = async (path, body) => (await fetch(`${url}/api/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  const common = { host: '127.0.0.1', port: mailPort, sender: 'Office <office@example.com>', override_sender: true };
  await post('servers/create', { server: { ...common, name: 'office', default: true } });
  await post('servers/create', { server: { ...common, name: 'plans', attachment_as_url: true, attachment_threshold_bytes: 0, link_language: 'de' } });
  await post('servers/create', { server: { ...common, name: 'wrong', username: account.user, password: { value: 'wrong' }, allow_plaintext_credentials: true } });
  await post('v1/messages', { to: 'anna@example.org', subject: 'Invoice 2026-1187', text: 'x', source: 'bpm-mail-node', from: 'node-7@workflow.example.com' });
  await post('v1/messages', { server: 'wrong', to: ['anna@example.org', 'bob@example.org', 'carol@example.org'], subject: 'Monthly report of the department with a subject that is a good deal longer than others are', text: 'x' });
  const file = (/** @type {string} */ name) => ({ name, content: Buffer.alloc(300_000).toString('base64') });
  const { id, links } = await post('v1/messages', { server: 'plans', to: 'anna@example.org', subject: 'Pläne', text: 'x', attachments: [file('Lageplan Nord.pdf'), file('Ein ziemlich langer Dateiname, wie ihn Leute nun einmal vergeben, Fassung 7 (endgültig).pdf')] });
  await page.goto(`${url}/messages`);
  await shot('messages');
  await page.goto(`${url}/messages?search=nothing`);
  await shot('messages-nothing');
  await page.goto(`${url}/messages/${id}`);
  await shot('message-links');
  await page.goto(`${url}/messages?outcome=failed`);
  await page.getByRole('row').nth(1).getByRole('link').click();
  await shot('message-failed');
  await page.goto(`${url}/messages?search=Invoice`);
  await page.getByRole('row').nth(1).getByRole('link').click();
  await shot('message-overridden');
  await page.goto(`${url}/help/api`);
  await shot('help-api');
  await page.goto(links[1].url);
  await shot('download');
  await page.goto(`${url}/d/nothing`);
  await shot('download-gone');
  await page.goto(`${url}/links`);
  await shot('links');
  await page.getByText('Extend', { exact: true }).first().click();
  await shot('links-extend');
  await page.getByRole('link', { name: /^Revoke/ }).first().click();
  await shot('links-revoke');
  await page.getByRole('button', { name: /Revoke/ }).click();
  await shot('links-revoked');
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
        const [name = '', value = ''] = cookie.split('=');
        await context.addCookies([{ name, value, url: url.replace('http:', 'https:'), secure: true, httpOnly: true, sameSite: 'Strict' }]);
        const page = await context.newPage();
        const shot = async (/** @type {string} */ name) => {
          // Sticky parts belong where they are at first.
          await page.evaluate(() => window.scrollTo(0, 0));
          await page.waitForTimeout(100);
          await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
          count += 1;
        };
        if (what === undefined) await visit(page, url, shot);
        if (['trust', undefined].includes(what)) await visitTrust(page, url, shot);
        if (['oauth', undefined].includes(what)) await visitSignIns(page, url, shot);
        if (['fax', undefined].includes(what)) await visitFax(page, url, shot);
        if (['messages', undefined].includes(what)) await visitMessages(page, url, shot);
        // It ends with signing out.
        if (['access', undefined].includes(what)) await visitAccess(page, url, shot);
        await context.close();
      } finally {
        await stop();
      }
    }
  }
} finally {
  await browser.close();
  mail.close();
  encrypted.close();
  silent.close();
}
console.log(`${count} screenshots in ${folder}`);
process.exit(0);
