// nodemailer's part of `cargo xtask bench send`: messages with files over one pooled connection, composed and read for each. Prints
// the nanoseconds they took.
//
//   node bench-nodemailer-send.mjs PORT WARM-UP COUNT [FILE …]

import { createTransport } from 'nodemailer';

const [port, warmUp, count] = process.argv.slice(2, 5).map(Number);
const attachments = process.argv.slice(5).map((path) => ({ path, contentType: 'application/octet-stream' }));
const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true, pool: true, maxConnections: 1, maxMessages: Infinity });
const message = {
  from: 'Scan <scan@example.com>',
  to: 'Anna <anna@example.com>',
  subject: 'A benchmark',
  text: 'Nobody needs to read or answer this line of text.\r\n'.repeat(13),
  attachments,
};
/** All at once: the pool hands one after the other to its connection, without going through us. @param {number} messages */
const send = (messages) => Promise.all(Array.from({ length: messages }, () => transport.sendMail(message)));

await send(warmUp ?? 0);
const started = process.hrtime.bigint();
await send(count ?? 1);
console.log(`messages ${process.hrtime.bigint() - started}`);
transport.close();
