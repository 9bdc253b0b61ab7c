// nodemailer's part of `cargo xtask bench session`: messages over one pooled connection. Prints the nanoseconds they took.
//
//   node bench-nodemailer.mjs PORT COUNT

import { createTransport } from 'nodemailer';

const [port, count] = process.argv.slice(2).map(Number);
const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true, pool: true, maxConnections: 1, maxMessages: Infinity });
const envelope = { from: 'scan@example.com', to: ['anna@example.com'] };
// As ready as it can be: nothing is composed here.
const head = 'Subject: benchmark\r\nFrom: scan@example.com\r\nTo: anna@example.com\r\n\r\n';
const raw = head + 'Nobody needs to read or answer this line of text.\r\n'.repeat(13);
/** All at once: the pool hands one after the other to its connection, without going through us. @param {number} messages */
const send = (messages) => Promise.all(Array.from({ length: messages }, () => transport.sendMail({ envelope, raw })));

// Until the code has been compiled for good, which takes it longest.
await send(2000);
const started = process.hrtime.bigint();
await send(count ?? 1000);
console.log(`messages ${process.hrtime.bigint() - started}`);
transport.close();
