// Postfix, with one SMTP service for each way in which such servers are set up, each on a port of its own.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import type { Identity } from './certificate.ts';
import { Daemon, asRoot, directory, eventually, freePorts, libraries, started, unpacked } from './peer.ts';

const TLS = ['smtpd_tls_security_level=may'];
const AUTH = ['smtpd_sasl_auth_enable=yes'];

/** What each service is told besides `main.cf`. */
const SERVICES = {
  /** No encryption, no accounts. */
  plain: [],
  /** Encryption offered, accounts only inside. */
  submission: [...TLS, ...AUTH, 'smtpd_tls_auth_only=yes'],
  /** Encryption demanded before anything else. */
  demanding: [...AUTH, 'smtpd_tls_security_level=encrypt'],
  /** Encrypted from the first byte. */
  smtps: [...TLS, ...AUTH, 'smtpd_tls_wrappermode=yes'],
  /** STARTTLS is offered and refused: a file is missing. */
  lame: [...TLS, 'smtpd_tls_CAfile=/nonexistent'],
  /** STARTTLS is offered and accepted, and the handshake fails: there is no certificate. */
  bare: [...TLS, 'smtpd_tls_chain_files=/nonexistent'],
  /** Encrypted from the first byte, and only for clients whose certificate the clients' authority issued. */
  certified: ['smtpd_tls_wrappermode=yes', 'smtpd_tls_security_level=encrypt', 'smtpd_tls_req_ccert=yes'],
  /** Only TLS 1.2. */
  old: [...TLS, '{ smtpd_tls_protocols = >=TLSv1.2, <=TLSv1.2 }'],
  /** Accounts in clear. */
  clear: AUTH,
  /** Accounts in clear, with LOGIN only. */
  login: [...AUTH, '{ smtpd_sasl_mechanism_filter = login }'],
  /** Accounts in clear, where the password stays with the client. */
  cram: [...AUTH, '{ smtpd_sasl_mechanism_filter = cram-md5 }'],
  /** Nobody sends as somebody else. */
  owned: [...AUTH, 'smtpd_delay_reject=no', 'smtpd_sender_login_maps=static:nobody', 'smtpd_sender_restrictions=reject_sender_login_mismatch'],
  /** Tells that it takes small messages only. */
  small: ['message_size_limit=300'],
  /** Takes small messages only and does not tell. */
  silent: ['message_size_limit=300', 'smtpd_discard_ehlo_keywords=size'],
  /** Knows no internationalised addresses. */
  ascii: ['smtputf8_enable=no'],
  /** Wants to be asked again. */
  greylist: ['{ smtpd_recipient_restrictions = check_client_access static:{450 4.7.1 Greylisted, try again later} }'],
  /** One client at a time. */
  single: ['smtpd_client_connection_count_limit=1'],
  /** Says nothing of pipelining. */
  slow: ['smtpd_discard_ehlo_keywords=pipelining'],
  /** For nobody: who is answered here knows that the others listen, too. */
  last: [],
} as const;

/** A service's name. */
export type Service = keyof typeof SERVICES;

/** The only account. */
export const ACCOUNT = { username: 'anna', password: 'only-for-this-test' };

export class Postfix {
  #mark = 0;

  private constructor(
    readonly ports: Record<Service, number>,
    readonly daemon: Daemon,
  ) {}

  /** With this identity; `clients` is the authority that clients' certificates come from, PEM. */
  static start(identity: Identity, clients: string): Promise<Postfix> {
    return started(() => Postfix.#start(identity, clients));
  }

  static async #start(identity: Identity, clients: string): Promise<Postfix> {
    const root = unpacked('postfix', 'usr/lib/postfix/sbin/master');
    // Says so where it can't, before there is anything to clean up.
    asRoot(['true']);
    const dir = await directory('postfix');
    const ports = await freePorts(Object.keys(SERVICES) as Service[]);
    const [etc, mail, spool, data] = ['etc', 'mail', 'spool', 'data'].map((name) => join(dir, name)) as [string, string, string, string];
    await mkdir(join(etc, 'sasl'), { recursive: true });
    for (const name of [mail, data, spool]) await mkdir(name);
    await writeFile(join(etc, 'main.cf'), main({ root, dir, etc, mail, spool, data }));
    await writeFile(join(etc, 'master.cf'), master(ports));
    await writeFile(join(etc, 'identity.pem'), identity.key + identity.cert, { mode: 0o600 });
    await writeFile(join(etc, 'clients.pem'), clients);
    const accounts = join(etc, 'sasl', 'accounts');
    // Debian's Postfix looks here, whatever it is told.
    await writeFile(join(etc, 'sasl', 'smtpd.conf'), `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: ${accounts}\nmech_list: PLAIN LOGIN CRAM-MD5\n`);
    const env = { LD_LIBRARY_PATH: libraries(root), MAIL_CONFIG: etc, SASL_PATH: plugins(root) };
    const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    // What `postfix start` would prepare, for users that every Debian has.
    asRoot(['sh', '-ec', `
      cd ${spool}
      install -d -o daemon -m 700 incoming active deferred bounce defer flush saved corrupt hold trace private
      install -d -o daemon -g mail -m 710 public
      install -d -o daemon -g mail -m 1730 maildrop
      install -d pid
      chown daemon ${mail} ${data}
      chown root ${etc}/identity.pem
      printf %s '${ACCOUNT.password}' | env ${variables.join(' ')} ${root}/usr/sbin/saslpasswd2 -p -c -f ${accounts} -u mail.test ${ACCOUNT.username}
      chown daemon ${accounts}
    `]);
    const daemon = new Daemon(dir, [join(root, 'usr/lib/postfix/sbin/master'), '-d'], env, true);
    const postfix = new Postfix(ports, daemon);
    try {
      await daemon.ready(ports.last);
    } catch (error) {
      const log = postfix.#log();
      await daemon.stop();
      throw new Error(`postfix does not start: ${String(error)}\n${log}`);
    }
    return postfix;
  }

  #log(): string {
    return asRoot(['sh', '-c', `cat ${this.daemon.dir}/data/log 2>/dev/null || true`]);
  }

  /** From here on [`log`] tells. */
  mark(): void {
    this.#mark = this.#log().length;
  }

  /** What it logged since the mark. */
  log(): string {
    return this.#log().slice(this.#mark);
  }

  /** What it logged since the mark, as soon as the client of `service` has left. */
  async logOf(service: Service): Promise<string> {
    const own = () => this.log().split('\n').filter((line) => line.includes(` ${service}/smtpd[`));
    return eventually(`no client left ${service}:\n${this.log()}`, () => own().some((line) => line.includes('disconnect from')) && own().join('\n'));
  }

  /** Waits until the message with this id is dealt with; what was logged about it. */
  async settled(id: string): Promise<string> {
    const own = () => this.log().split('\n').filter((line) => line.includes(`${id}: `));
    return eventually(`${id} is not dealt with:\n${this.log()}`, () => own().some((line) => line.endsWith(`${id}: removed`)) && own().join('\n'));
  }

  /** The delivered messages that hold this text. */
  mail(text: string): string[] {
    const files = asRoot(['grep', '-rlF', '--', text, join(this.daemon.dir, 'mail')], [0, 1]).split('\n').filter(Boolean);
    return files.map((file) => asRoot(['cat', file]));
  }

  stop(): Promise<void> {
    return this.daemon.stop();
  }
}

/** SASL's plug-ins: next to its library. */
function plugins(root: string): string {
  return libraries(root).split(':').map((library) => join(library, 'sasl2')).join(':');
}

function main({ root, dir, etc, mail, spool, data }: Record<'root' | 'dir' | 'etc' | 'mail' | 'spool' | 'data', string>): string {
  const owner = process.getuid?.() || 1;
  const settings: Record<string, string> = {
    compatibility_level: '3.6',
    daemon_directory: join(root, 'usr/lib/postfix/sbin'),
    command_directory: join(root, 'usr/sbin'),
    shlib_directory: join(root, 'usr/lib/postfix'),
    queue_directory: spool,
    data_directory: data,
    mail_owner: 'daemon',
    setgid_group: 'mail',
    default_privs: 'nobody',
    import_environment: 'MAIL_CONFIG LANG=C LD_LIBRARY_PATH SASL_PATH',
    maillog_file: join(data, 'log'),
    maillog_file_prefixes: dir,
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    smtpd_peername_lookup: 'no',
    myhostname: 'mail.test',
    mydestination: '',
    mynetworks: '',
    local_recipient_maps: '',
    alias_maps: '',
    alias_database: '',
    virtual_mailbox_domains: 'example.com',
    virtual_mailbox_base: mail,
    // Everybody of example.com exists but those whose names begin with "nobody".
    virtual_mailbox_maps: 'regexp:{{!/^nobody/ all/}}',
    virtual_minimum_uid: '1',
    virtual_uid_maps: `static:${owner}`,
    virtual_gid_maps: 'static:1',
    // Accounts may send to everywhere; whatever goes elsewhere is thrown away.
    smtpd_relay_restrictions: 'permit_sasl_authenticated, reject_unauth_destination',
    default_transport: 'discard:',
    smtpd_sasl_local_domain: 'mail.test',
    smtpd_tls_chain_files: join(etc, 'identity.pem'),
    smtpd_tls_CAfile: join(etc, 'clients.pem'),
    smtpd_tls_loglevel: '1',
    smtpd_tls_received_header: 'yes',
    tls_random_source: 'dev:/dev/urandom',
    smtputf8_enable: 'yes',
    // Wrong passwords are answered at once.
    smtpd_error_sleep_time: '0',
  };
  return Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`).join('');
}

function master(ports: Record<Service, number>): string {
  const services = Object.entries(SERVICES).map(([name, settings]) => {
    const options = [`syslog_name=${name}`, ...settings].map((setting) => `  -o ${setting}\n`);
    return `127.0.0.1:${ports[name as Service]} inet n - n - - smtpd\n${options.join('')}`;
  });
  return `${services.join('')}
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
`;
}
