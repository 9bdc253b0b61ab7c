// A third party's SMTP server (npm `smtp-server`) on a port of its own. What it receives is parsed by npm `mailparser`.

import { type ParsedMail, simpleParser } from 'mailparser';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Identity } from './certificate.ts';

/** A message that the server accepted. */
export interface Received {
  mailFrom: string;
  rcptTo: string[];
  mail: ParsedMail;
  raw: string;
  /** Who signed in, if anyone did. */
  user: string | undefined;
  /** Whether it came over TLS. */
  encrypted: boolean;
}

export interface MailOptions {
  /** The only account; without it, nobody signs in. */
  account?: { user: string; password: string };
  /** With an identity the server offers STARTTLS; with `implicit`, TLS from the first byte. */
  tls?: { identity: Identity; implicit?: boolean };
  /** Recipients that are refused. */
  refuses?: string[];
  /** What else npm `smtp-server` can be told. */
  settings?: SMTPServerOptions;
  /** Where the server takes its time: it goes on once the promise is kept. */
  pause?: (at: 'connect' | 'recipient' | 'message') => Promise<void>;
}

/** A place where a server waits until it is told to go on. */
export class Gate {
  #open!: () => void;
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve));
  #arrive!: () => void;
  /** Kept when somebody waits. */
  readonly reached = new Promise<void>((resolve) => (this.#arrive = resolve));
  readonly #at: string;

  constructor(at: 'connect' | 'recipient' | 'message') {
    this.#at = at;
  }

  /** For {@link MailOptions.pause}. */
  readonly pause = (at: string): Promise<void> => {
    if (at !== this.#at) return Promise.resolve();
    this.#arrive();
    return this.#opened;
  };

  /** Lets everybody pass. */
  open(): void {
    this.#open();
  }
}

export class MailServer {
  /** In the order in which they came. */
  readonly received: Received[] = [];
  /** How many connections there were. */
  connections = 0;
  /** How many of them are over. */
  closed = 0;
  /** Every sign-in that was tried, as `user:password`; the password is a question mark where only its proof was sent. */
  readonly signIns: string[] = [];
  #server: SMTPServer;
  #waiting: (() => void)[] = [];

  private constructor(options: MailOptions) {
    const { account, tls, refuses = [], pause = () => Promise.resolve(), settings: more = {} } = options;
    const disabledCommands = [...(tls && !tls.implicit ? [] : ['STARTTLS']), ...(account ? [] : ['AUTH'])];
    const settings: SMTPServerOptions = {
      name: 'mail.test',
      // A client may keep its connection; who stops the server doesn't wait for that.
      closeTimeout: 1,
      banner: 'end-to-end',
      disabledCommands,
      authMethods: ['PLAIN', 'LOGIN'],
      authOptional: !account,
      allowInsecureAuth: true,
      disableReverseLookup: true,
      secure: tls?.implicit ?? false,
      ...(tls ? { key: tls.identity.key, cert: tls.identity.cert } : {}),
      onConnect: (_session, done) => {
        this.connections += 1;
        void pause('connect').then(() => done());
      },
      onClose: () => {
        this.closed += 1;
        for (const wake of this.#waiting.splice(0)) wake();
      },
      onAuth: (auth, _session, done) => {
        this.signIns.push(`${auth.username}:${auth.password ?? '?'}`);
        const isRight = auth.method === 'CRAM-MD5' ? auth.validatePassword(account?.password ?? '') : auth.password === account?.password;
        if (account && auth.username === account.user && isRight) {
          return done(null, { user: auth.username });
        }
        return done(Object.assign(new Error('5.7.8 Authentication credentials invalid'), { responseCode: 535 }));
      },
      onRcptTo: (address, _session, done) => {
        if (refuses.includes(address.address)) {
          return done(Object.assign(new Error('5.1.1 No such user here'), { responseCode: 550 }));
        }
        return void pause('recipient').then(() => done());
      },
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const raw = Buffer.concat(chunks);
          if (stream.sizeExceeded) return done(Object.assign(new Error('5.3.4 Message too big'), { responseCode: 552 }));
          simpleParser(raw).then((mail) => {
            const { mailFrom, rcptTo } = session.envelope;
            this.received.push({
              mailFrom: mailFrom ? mailFrom.address : '',
              rcptTo: rcptTo.map((to) => to.address),
              mail,
              raw: raw.toString('latin1'),
              user: typeof session.user === 'string' ? session.user : undefined,
              encrypted: session.secure,
            });
            const queueId = `E2E${this.received.length}`;
            for (const wake of this.#waiting.splice(0)) wake();
            // What the page shows as the queue id.
            return pause('message').then(() => done(null, `2.0.0 queued as ${queueId}`));
          }).catch(done);
        });
      },
      ...more,
    };
    this.#server = new SMTPServer(settings);
    // A client that breaks off is part of some tests.
    this.#server.on('error', () => undefined);
  }

  static async start(options: MailOptions = {}): Promise<MailServer> {
    const mail = new MailServer(options);
    await new Promise<void>((resolve, reject) => {
      mail.#server.server.once('error', reject);
      mail.#server.listen(0, '127.0.0.1', resolve);
    });
    return mail;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  /** Presents another certificate from the next connection on. */
  present(identity: Identity): void {
    this.#server.updateSecureContext({ key: identity.key, cert: identity.cert });
  }

  /** The message number `count`, as soon as it is there. */
  async message(count = 1): Promise<Received> {
    await this.#until(() => this.received.length >= count, () => `no message number ${count} arrived; there are ${this.received.length}`);
    return this.received[count - 1]!;
  }

  /** Waits until as many connections are over. */
  async over(count = 1): Promise<void> {
    await this.#until(() => this.closed >= count, () => `${this.closed} connections are over, not ${count}`);
  }

  async #until(holds: () => boolean, complaint: () => string): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!holds()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(complaint());
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = await MailServer.start();
  const { port } = server;
  await server.stop();
  return port;
}
