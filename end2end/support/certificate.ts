// A certificate and key made on the spot, so that none has to be kept: X.509 v3 (RFC 5280) by hand, P-256 or RSA.

import { type KeyObject, X509Certificate, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A server's identity, or an authority's. */
export interface Identity {
  /** The private key, PEM. */
  key: string;
  /** The certificate, PEM. */
  cert: string;
}

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.from(body.length.toString(16).padStart(body.length > 0xff ? 4 : 2, '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
};
const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const RSA_WITH_SHA256 = '2a864886f70d01010b';
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';
const CRITICAL = der(0x01, Buffer.from([0xff]));

const time = (date: Date) => der(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, '')));

/** Whom a certificate is for. */
interface Names {
  name?: string;
  /** Without one, the certificate is good for the name only. */
  ip?: string | undefined;
  days?: number;
}

/** An authority of our own. */
export interface Authority extends Identity {
  /** Makes an identity that this authority vouches for. */
  issue: (names?: Names) => Identity;
}

const subjectOf = (name: string) => sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(`postroom test ${name}`)))));
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** X.509 (RFC 5280 section 4.1), valid from three days ago for `days` days from now; with a negative number it has expired. */
function certificate(subject: Buffer, publicKey: KeyObject, issuer: { subject: Buffer; key: KeyObject }, extension: Buffer, days: number): string {
  const day = 24 * 60 * 60 * 1000;
  const now = Date.now();
  const rsa = issuer.key.asymmetricKeyType === 'rsa';
  const algorithm = rsa ? sequence(oid(RSA_WITH_SHA256), der(0x05)) : sequence(oid(ECDSA_WITH_SHA256));
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(8)]);
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    issuer.subject,
    sequence(time(new Date(now - 3 * day)), time(new Date(now + days * day))),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension)),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, issuer.key));
  const lines = sequence(body, algorithm, signature).toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

const alternatives = (name: string, ip: string | undefined) => {
  const address = ip === undefined ? [] : [der(0x87, Buffer.from(ip.split('.').map(Number)))];
  return sequence(oid(SUBJECT_ALT_NAME), der(0x04, sequence(der(0x82, Buffer.from(name)), ...address)));
};

/** The fingerprint of a certificate as pages show it: `ABCD 0123 …`. */
export function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').replace(/(.{4})(?=.)/g, '$1 ');
}

/** A self-signed certificate for `localhost` and 127.0.0.1, no authority; good for `days` days. */
export function selfSigned({ name = 'localhost', ip = '127.0.0.1', days = 2 }: Names = {}): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = subjectOf(name);
  return { key: pem(privateKey), cert: certificate(subject, publicKey, { subject, key: privateKey }, alternatives(name, ip), days) };
}

/** The certificate of an application, with an RSA key, as sign-in services want it. */
export function ofApplication(name = 'application'): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const subject = subjectOf(name);
  return { key: pem(privateKey), cert: certificate(subject, publicKey, { subject, key: privateKey }, alternatives(name, undefined), 200) };
}

/** A new authority that nobody trusts yet. */
export function authority({ days = 2 }: { days?: number } = {}): Authority {
  const { publicKey, privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = subjectOf(`authority ${randomBytes(4).toString('hex')}`);
  const isAuthority = sequence(oid(BASIC_CONSTRAINTS), CRITICAL, der(0x04, sequence(CRITICAL)));
  return {
    key: pem(key),
    cert: certificate(subject, publicKey, { subject, key }, isAuthority, days),
    issue: ({ name = 'localhost', ip, days = 2 } = {}) => {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return { key: pem(leaf.privateKey), cert: certificate(subjectOf(name), leaf.publicKey, { subject, key }, alternatives(name, ip), days) };
    },
  };
}
