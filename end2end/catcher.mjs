// The mail catcher of `cargo xtask run`: takes every message and prints it. A third party's SMTP server (npm `smtp-server`).
//
//   node catcher.mjs [--host 127.0.0.1] [--port 2525]

import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { host: { type: 'string', default: '127.0.0.1' }, port: { type: 'string', default: '2525' } },
});
const host = values.host;
const port = Number(values.port);
const prefix = '  catcher │ ';
/** @param {string} text */
const say = (text) => process.stdout.write(`${text.split('\n').map((line) => prefix + line).join('\n')}\n`);

/**
 * Text from outside, fit for a terminal: no control characters but line breaks, and not endless.
 * @param {string} text
 */
const clean = (text) => {
  const safe = text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '\ufffd').trimEnd();
  return safe.length > 4000 ? `${safe.slice(0, 4000)}\n… (${safe.length} characters in all)` : safe;
};

const server = new SMTPServer({
  name: 'catcher.localhost',
  banner: 'Postroom mail catcher',
  disabledCommands: ['STARTTLS'],
  authMethods: ['PLAIN', 'LOGIN'],
  authOptional: true,
  allowInsecureAuth: true,
  disableReverseLookup: true,
  size: 64 * 1024 * 1024,
  onAuth: (auth, _session, callback) => callback(null, { user: auth.username }),
  onData(stream, session, callback) {
    simpleParser(stream).then(
      (mail) => {
        const { mailFrom, rcptTo } = session.envelope;
        const lines = [
          '─'.repeat(60),
          `Envelope     ${(mailFrom && mailFrom.address) || '<>'} → ${rcptTo.map((to) => to.address).join(', ')}`,
          `From         ${mail.from?.text ?? '–'}`,
          `To           ${[mail.to ?? []].flat().map((to) => to.text).join(', ') || '–'}`,
          `Subject      ${mail.subject ?? '–'}`,
          ...(session.user ? [`Signed in as ${session.user}`] : []),
          ...mail.attachments.map((a) => `Attachment   ${a.filename ?? '(no name)'}, ${a.contentType}, ${a.size} bytes`),
          '',
          mail.text ?? mail.html ?? '(no text)',
          '─'.repeat(60),
        ];
        if (stream.sizeExceeded) return callback(Object.assign(new Error('Message too large'), { responseCode: 552 }));
        say(clean(lines.join('\n')));
        return callback(null, `caught as ${mail.messageId ?? session.id}`);
      },
      (error) => callback(error),
    );
  },
});

server.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
  if (error.code === 'EADDRINUSE') {
    console.error(`The mail catcher can't listen on ${host}:${port}: something else does. Stop that, or leave the catcher out with --no-catcher.`);
    process.exit(1);
  }
  if (error.syscall === 'listen') {
    console.error(`The mail catcher can't listen on ${host}:${port}: ${error.message}`);
    process.exit(1);
  }
  say(`A connection failed: ${clean(error.message)}`);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    // Connections that stay open must not keep it.
    setTimeout(() => process.exit(0), 1000).unref();
  });
}
server.listen(port, host, () => say(`The mail catcher listens on ${host}:${port}.`));
