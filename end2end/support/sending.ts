// What applications do: hand messages over, by HTTP and from a shell.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import process from 'node:process';
import { BINARY, type Postroom, environment } from './postroom.ts';

/** The answer to a message that was handed over. */
export interface Report {
  id: number;
  server: string;
  verdict: 'sent' | 'not_sent' | 'unknown';
  error?: string;
  message: string;
  stage: string;
  security: string;
  queue_id: string | null;
  reply: { code: number } | null;
  recipients: { address: string; accepted: boolean }[];
  links: { name: string; size: number; url: string; expires_ms: number }[];
  fields?: Record<string, string>;
}

/** Makes a token that may only submit messages, as an administrator does. */
export async function submitToken(postroom: Postroom, name = 'application'): Promise<string> {
  const form = new URLSearchParams({ name, role: 'operator', which: 'all', what: 'chosen', verbs: 'submit', days: '' });
  const response = await fetch(`${postroom.url}/tokens/new`, { method: 'POST', body: form, headers: postroom.headers });
  const page = await response.text();
  const token = /<output[^>]*>([^<]+)<\/output>/.exec(page)?.[1];
  if (!token) throw new Error(`no token was made: ${response.status} ${page}`);
  return token;
}

/** Hands a message over in JSON. */
export async function submit(postroom: Postroom, token: string, message: unknown): Promise<{ status: number; report: Report }> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(`${postroom.url}/api/v1/messages`, { method: 'POST', headers, body: JSON.stringify(message) });
  return { status: response.status, report: (await response.json()) as Report };
}

/** A file of a message. */
export interface Upload {
  name: string;
  type?: string;
  content: Uint8Array;
}

/** Hands a message over in parts. */
export async function submitParts(postroom: Postroom, token: string, texts: Record<string, string>, files: Upload[]): Promise<{ status: number; report: Report }> {
  const form = new FormData();
  for (const [key, text] of Object.entries(texts)) form.append(key, text);
  for (const { name, type = 'application/octet-stream', content } of files) form.append('attachments', new Blob([content as Uint8Array<ArrayBuffer>], { type }), name);
  const response = await fetch(`${postroom.url}/api/v1/messages`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: form });
  return { status: response.status, report: (await response.json()) as Report };
}

/** How a command ended. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end; `postroom` is on its path. */
export async function run(command: string, args: string[], options: { env?: Record<string, string>; input?: string; cwd?: string } = {}): Promise<Ran> {
  const env = { ...environment(), PATH: `${dirname(BINARY)}:${process.env.PATH}`, ...options.env };
  const child = spawn(command, args, { env, ...(options.cwd ? { cwd: options.cwd } : {}), stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), 40_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}
