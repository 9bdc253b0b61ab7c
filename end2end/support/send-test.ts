// `postroom send-test`: the binary as a script runs it, its events read back.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { BINARY, type Server, environment } from './postroom.ts';

export interface Reply {
  code: number;
  enhanced: string | null;
  text: string;
}

/** The last event. */
export interface Finished {
  event: 'finished';
  outcome: 'sent' | 'checked' | 'failed' | 'unknown' | 'cancelled';
  stage: string;
  security: 'plaintext' | 'tls1.2' | 'tls1.3';
  upgraded?: boolean;
  downgrade?: string;
  reply: Reply | null;
  cause?: string;
  diagnosis: { kind: string; title: string; steps: string[] } | null;
  recipients?: { address: string; accepted: boolean; reply: Reply | null }[];
  partial: boolean;
  queue_id?: string;
  certificate?: { subject: string };
  trusted_by?: { how: string; subject: string };
}

/** Any event. */
export interface Event {
  event: 'begun' | 'sent' | 'received' | 'passed' | 'warning' | 'finished';
  stage: string;
  line?: string;
  encrypted?: boolean;
  message?: string;
  elapsed_ms: number;
}

/** How a run ended and everything it said. */
export interface Run {
  code: number | null;
  events: Event[];
  finished: Finished;
  /** The lines that were sent, in order. */
  sent: { line: string; encrypted: boolean }[];
  stdout: string;
}

/** What it is run with besides the configuration. */
export interface Options {
  from?: string;
  to?: string;
  checkOnly?: boolean;
  /** A file of authorities that are trusted for this run. */
  ca?: string | undefined;
  /** Environment variables besides. */
  env?: Record<string, string>;
  /** Does what standard error asks somebody for; it is called once, with what is said first. */
  person?: (asked: string) => Promise<void>;
}

/** Runs one test of `server`, which goes in on standard input. */
export async function sendTest(server: Server, { from = 'scan@example.com', to, checkOnly = false, ca, env = {}, person }: Options): Promise<Run> {
  const args = ['send-test', '--config', '-', '--format', 'ndjson', '--from', from];
  if (to !== undefined) args.push('--to', to);
  if (checkOnly) args.push('--check-only');
  if (ca !== undefined) args.push('--ca', ca);
  const child = spawn(BINARY, args, { env: { ...environment(), ...env }, stdio: ['pipe', 'pipe', person ? 'pipe' : 'inherit'] });
  let stdout = '';
  let said = '';
  let done = Promise.resolve();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const first = !said.endsWith('\n');
    said += text;
    if (first && said.endsWith('\n')) done = person!(said);
  });
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stdin!.end(JSON.stringify({ timeout_ms: 10_000, ...server }));
  const timer = setTimeout(() => child.kill('SIGKILL'), 40_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  await done;
  const events = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Event);
  const finished = events.at(-1) as unknown as Finished | undefined;
  if (finished?.event !== 'finished') throw new Error(`send-test ended with ${code} and without a last event:\n${stdout}`);
  const sent = events.filter(({ event }) => event === 'sent').map(({ line = '', encrypted = false }) => ({ line, encrypted }));
  return { code, events, finished, sent, stdout };
}

/** The commands that begin a sign-in. */
export const signIns = ({ sent }: Run) => sent.filter(({ line }) => line.startsWith('AUTH'));

/** A recipient that no other test has. */
export const recipient = (domain = 'example.com') => `t${randomBytes(6).toString('hex')}@${domain}`;
