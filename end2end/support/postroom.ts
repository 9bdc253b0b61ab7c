// The real binary as a process with a data directory of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The release binary. */
export const BINARY =
  process.env.POSTROOM_BINARY ?? join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'target', 'release', 'postroom');

/** The JSON of one SMTP server, as the API takes it. */
export interface Server {
  name?: string;
  kind?: string;
  default?: boolean;
  protocol?: string;
  host?: string;
  port?: number;
  username?: string;
  password?: { value: string } | null;
  starttls?: string;
  allow_plaintext_credentials?: boolean;
  timeout_ms?: number;
  fax_address?: string;
  fax_domain?: string;
  fax_template?: string;
  fax_prefix?: string;
  fax_country?: string;
  sender?: string;
  override_sender?: boolean;
  mime_address_strict?: boolean;
  attachment_as_url?: boolean;
  attachment_threshold_bytes?: number;
  link_days?: number;
  link_language?: string;
  certificate_name?: string;
  min_tls?: string;
  client_certificate?: { value: string } | null;
}

/** A certificate that is trusted. */
export interface Trusted {
  id: number;
  certificate: { subject: string; sha256: string };
  pin?: { host: string; port: number; outlives: boolean };
  used_by: [number, string][];
}

export interface Saved {
  id: number;
  version: number;
}

/** The API's answer was an error. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly body: { error: string; message: string; fields?: Record<string, string> },
  ) {
    super(`${status}: ${body.message}`);
  }
}

/** How a process that could not start ended. */
export interface Ended {
  code: number | null;
  stderr: string;
}

/** The account that every test has, unless it is about signing in. */
export const ADMINISTRATOR = { name: 'anna', password: 'seven quiet lighthouses' };

/** The cookie of a session. */
export const COOKIE = '__Host-postroom';

export class Postroom {
  url = '';
  /** Where the first account is made; empty as soon as there is one. */
  setupLink = '';
  /** The session of the administrator; empty where nobody has signed in. It survives a restart. */
  session = '';
  /** Everything it said: the log and standard output. */
  log = '';
  #process: ChildProcess | undefined;

  private constructor(
    readonly dataDir: string,
    readonly env: Record<string, string>,
  ) {}

  /** Starts it in a new data directory, with an administrator who is signed in. */
  static async start(env: Record<string, string> = {}, signedIn = true): Promise<Postroom> {
    const postroom = new Postroom(await mkdtemp(join(tmpdir(), 'postroom-e2e-')), env);
    await postroom.restart();
    if (signedIn) await postroom.setUp();
    return postroom;
  }

  /** Makes the first account by the link that was printed. */
  async setUp(): Promise<void> {
    const token = new URL(this.setupLink).searchParams.get('token') ?? '';
    const { name, password } = ADMINISTRATOR;
    this.session = await this.#signIn('/welcome', { token, name, new_password: password, new_password_confirm: password });
  }

  /** Signs in anew, and gives the session. */
  signIn(name: string, password: string): Promise<string> {
    return this.#signIn('/sign-in', { name, password });
  }

  async #signIn(path: string, form: Record<string, string>): Promise<string> {
    const response = await fetch(this.url + path, { method: 'POST', body: new URLSearchParams(form), headers: { origin: this.url }, redirect: 'manual' });
    const session = response.headers.getSetCookie().map((cookie) => new RegExp(`^${COOKIE}=([^;]+)`).exec(cookie)?.[1]).find(Boolean);
    if (!session) throw new Error(`${path} answers ${response.status}: ${await response.text()}`);
    return session;
  }

  /** What a browser sends along when somebody is signed in: for other calls than {@link api}. */
  get headers(): Record<string, string> {
    return { origin: this.url, ...(this.session ? { cookie: `${COOKIE}=${this.session}` } : {}) };
  }

  /** The cookies of a browser in which the administrator is signed in. */
  cookies(session = this.session): { name: string; value: string; url: string; secure: boolean; httpOnly: boolean; sameSite: 'Strict' }[] {
    // The protocol only takes such a cookie for an address that is encrypted; browsers send it to loopback ones, too.
    const url = this.url.replace(/^http:/, 'https:');
    return session ? [{ name: COOKIE, value: session, url, secure: true, httpOnly: true, sameSite: 'Strict' }] : [];
  }

  /** Starts it (again) in the same data directory; on another port. */
  async restart(): Promise<void> {
    const child = spawnPostroom(['serve', '--addr', '127.0.0.1:0', '--data-dir', this.dataDir], this.env);
    this.#process = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    const lines = createInterface({ input: child.stdout! });
    let url = '';
    const ready = new Promise<string>((resolve, reject) => {
      lines.on('line', (line) => {
        this.log += `${line}\n`;
        url ||= /^Postroom is ready at (https?:\/\/\S+)/.exec(line)?.[1] ?? '';
        const link = /^Set up the first account within one hour: (\S+)/.exec(line)?.[1];
        if (link) this.setupLink = link;
        // The link comes last, as long as there is no account.
        if (url && (link || this.session)) resolve(url);
      });
      child.once('exit', (code, signal) => reject(new Error(`postroom ended (${code ?? signal}):\n${this.log}`)));
      child.once('error', reject);
    });
    this.url = await ready;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Asks it to end, waits, and gives its exit code. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<number | null> {
    return this.#end(signal);
  }

  /** Kills it without a warning. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** The bytes of every file in the data directory, by name. */
  async files(): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    for (const entry of await readdir(this.dataDir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      found.set(path, await readFile(path));
    }
    return found;
  }

  /** A call of the API. */
  async api<T>(path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/api/${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      headers: { 'content-type': 'application/json', ...this.headers },
    });
    const text = await response.text();
    if (!response.ok) throw new Refused(response.status, JSON.parse(text));
    return JSON.parse(text) as T;
  }

  /** Adds a complete entry. */
  create(server: Server): Promise<Saved> {
    return this.api('servers/create', { server: { host: 'mail.example.com', ...server } });
  }

  save({ id, version }: Saved, server: Server): Promise<Saved> {
    return this.api('servers/save', { id, version, server });
  }

  /** What is trusted besides the system's authorities. */
  async trusted(): Promise<Trusted[]> {
    return (await this.api<{ items: Trusted[] }>('certificates')).items;
  }

  get(id: number): Promise<{ id: number; version: number; name: string; server: (Server & { has_password: boolean; has_client_certificate: boolean }) | null }> {
    return this.api(`servers/get?id=${id}`);
  }
}

/** The environment of the tester without settings of Postroom. */
export function environment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('POSTROOM_')));
}

function spawnPostroom(args: string[], env: Record<string, string>): ChildProcess {
  return spawn(BINARY, args, { env: { ...environment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs the binary to its end. */
export async function runPostroom(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawnPostroom(args, env);
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stderr };
}
