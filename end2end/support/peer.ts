// Real mail servers as processes: unpacked by `cargo xtask` into target/peers, run with a configuration, a directory and ports
// of their own, and gone with the test run however it ends.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Where the peers are. */
const PEERS = process.env.POSTROOM_PEERS ?? join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'target', 'peers');

/** The directory of an unpacked peer; an error that says which one is missing. */
export function unpacked(name: string, program: string): string {
  const root = join(PEERS, name);
  if (!existsSync(join(root, program))) {
    throw new Error(`${name} is missing: there is no ${program} in target/peers/${name}. \`cargo xtask test e2e\` unpacks it from Debian's packages, and says why where it can't.`);
  }
  return root;
}

/** The directories of libraries in it, as `LD_LIBRARY_PATH` has them. */
export function libraries(root: string): string {
  const all = ['usr/lib', 'lib'].flatMap((name) => {
    const base = join(root, name);
    if (!existsSync(base)) return [];
    const inner = readdirSync(base).filter((entry) => entry === 'postfix' || entry.includes('-linux-gnu'));
    return [...inner.map((entry) => join(base, entry)), base];
  });
  return all.join(':');
}

/** Which port was looked at last. Not the first ones each time: what just ended may still hold them. */
let next = Math.floor(Math.random() * 1_000);

/**
 * A free port for each of these names, for a program that can't be told to choose one. Between our look and its start nobody else may take it:
 * so it is from below those that the system gives away (from 32768 on), where each worker of the tests has a part of its own.
 */
export async function freePorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const first = 20_000 + 1_000 * (Number(process.env.TEST_PARALLEL_INDEX ?? 0) % 12);
  const ports: [Name, number][] = [];
  for (const name of names) {
    do next = (next + 1) % 1_000;
    while (!(await isFree(first + next)));
    ports.push([name, first + next]);
  }
  return Object.fromEntries(ports) as Record<Name, number>;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Whether this is root already. */
export const IS_ROOT = process.getuid?.() === 0;

/** The command as root gives it: as it is, or through sudo where that asks no questions. */
const rooted = ([program = '', ...args]: string[]): [string, string[]] => (IS_ROOT ? [program, args] : ['sudo', ['-n', program, ...args]]);

/** Runs something as root and gives what it prints. Only `codes` are exit codes of success. */
export function asRoot(command: string[], codes = [0]): string {
  const [program, args] = rooted(command);
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  if (error || !codes.includes(status ?? -1)) {
    throw new Error(`\`${command.join(' ')}\` as root failed (${error?.message ?? status}): ${stderr}\nPostfix runs as root only: run the tests as root, or as somebody whom sudo asks no password.`);
  }
  return stdout;
}

/** Waits until `look` finds something. */
export async function eventually<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>, patience = 10_000): Promise<T> {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited ${patience} ms in vain: ${what}`);
    await sleep(20);
  }
}

/** Whether a server greets on this port. That it takes connections is not enough: Exim does so before it is prepared. */
async function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      resolve(true);
      socket.end('QUIT\r\n');
    });
    socket.once('error', () => resolve(false)).once('close', () => resolve(false));
  });
}

/** How long a daemon may take to start on a busy machine: milliseconds. */
const START_MS = 45_000;

/** Runs the daemon until standard input ends, which it also does when this process dies without a word, and then cleans up. */
const KEEPER = `
dir=$1
shift
exec 3<&0
"$@" &
daemon=$!
(cat <&3 >/dev/null; kill -TERM $daemon) 2>/dev/null &
wait $daemon
code=$?
trap '' TERM PIPE
echo "it ended ($code)" 2>/dev/null
cat >/dev/null
kill -TERM 0
rm -rf -- "$dir" 2>/dev/null || { sleep 1; rm -rf -- "$dir"; }
`;

/** A daemon with a directory of its own, in a process group of its own. */
export class Daemon {
  readonly #child: ChildProcess;
  #said = '';

  constructor(
    readonly dir: string,
    command: string[],
    env: Record<string, string>,
    isRoot: boolean,
  ) {
    const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    const whole = ['sh', '-c', KEEPER, 'keeper', dir, 'env', ...variables, ...command];
    const [program, args] = isRoot ? rooted(whole) : [whole[0]!, whole.slice(1)];
    this.#child = spawn(program, args, { cwd: dir, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    this.#child.once('error', (error) => (this.#said += `it ended (${error.message})`));
  }

  /** Waits until it greets on this port. */
  async ready(port: number): Promise<void> {
    const look = () => {
      if (this.#said.includes('it ended (')) throw new Error(this.#said);
      return greets(port);
    };
    await eventually('nobody greets', look, START_MS);
  }

  /** Ends it, with all that it started, and removes its directory. */
  async stop(): Promise<void> {
    this.#child.stdin!.end();
    await eventually(`it does not end: ${this.#said}`, () => this.#child.exitCode !== null || this.#child.signalCode !== null);
  }
}

/** A directory that every user may enter: daemons give up their rights. */
export async function directory(name: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), `postroom-${name}-`));
  await chmod(dir, 0o755);
  return dir;
}

/** Starts a daemon; another time on other ports where somebody took one of them meanwhile. */
export async function started<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 3 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
