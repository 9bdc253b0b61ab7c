// Exim, listening on one port for each way in which such servers are set up. It needs no rights of root.

import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import type { Identity } from './certificate.ts';
import { Daemon, IS_ROOT, asRoot, directory, eventually, freePorts, libraries, started, unpacked } from './peer.ts';

const SERVICES = [
  /** No encryption, no accounts. */
  'plain',
  /** Encryption offered, accounts only inside. */
  'submission',
  /** Encrypted from the first byte. */
  'smtps',
  /** Accounts in clear. */
  'clear',
  /** Accounts in clear, with LOGIN only. */
  'login',
  /** Only TLS 1.2. */
  'old',
  /** STARTTLS is offered and the handshake fails: nothing in common. */
  'ancient',
  /** Wants a message in encryption only. */
  'demanding',
  /** Takes small messages only. */
  'small',
  /** Knows internationalised addresses. */
  'utf8',
  /** Wants to be asked again. */
  'greylist',
  /** Is overloaded. */
  'busy',
  /** Looks at a message and does not want it. */
  'picky',
  /** For nobody: who is answered here knows that the others listen, too. */
  'last',
] as const;

/** A service's name. */
export type Service = (typeof SERVICES)[number];

/** The only account. */
export const ACCOUNT = { username: 'anna', password: 'only-for-this-test' };

export class Exim {
  #mark = 0;

  private constructor(
    readonly ports: Record<Service, number>,
    readonly daemon: Daemon,
  ) {}

  static start(identity: Identity): Promise<Exim> {
    return started(() => Exim.#start(identity));
  }

  static async #start(identity: Identity): Promise<Exim> {
    const root = unpacked('exim4', 'usr/sbin/exim4');
    const dir = await directory('exim');
    const ports = await freePorts(SERVICES);
    // Root gives its rights up for nobody's; everybody else has none to give.
    const [uid, gid] = IS_ROOT ? [65534, 65534] : [process.getuid!(), process.getgid!()];
    for (const name of ['spool', 'log', 'mail']) await mkdir(join(dir, name));
    await writeFile(join(dir, 'exim.conf'), configuration(root, dir, ports));
    await writeFile(join(dir, 'key.pem'), identity.key, { mode: 0o600 });
    await writeFile(join(dir, 'certificate.pem'), identity.cert);
    // Debian's Exim wants a user of this name to exist; only it sees this one.
    await writeFile(join(dir, 'passwd'), `root:x:0:0::/:/bin/false\nDebian-exim:x:${uid}:${gid}::/:/bin/false\n`);
    await writeFile(join(dir, 'group'), `root:x:0:\nmail:x:8:\nDebian-exim:x:${gid}:\n`);
    if (IS_ROOT) asRoot(['chown', '-R', `${uid}:${gid}`, ...['spool', 'log', 'mail', 'key.pem'].map((name) => join(dir, name))]);
    const wrapper = libraries(root).split(':').map((library) => join(library, 'libnss_wrapper.so'));
    const env = {
      LD_LIBRARY_PATH: libraries(root),
      LD_PRELOAD: wrapper.filter((file) => !file.endsWith('lib/libnss_wrapper.so')).join(':'),
      NSS_WRAPPER_PASSWD: join(dir, 'passwd'),
      NSS_WRAPPER_GROUP: join(dir, 'group'),
    };
    const daemon = new Daemon(dir, [join(root, 'usr/sbin/exim4'), '-bdf', '-C', join(dir, 'exim.conf')], env, false);
    const exim = new Exim(ports, daemon);
    try {
      await daemon.ready(ports.last);
    } catch (error) {
      const log = await exim.#log();
      await daemon.stop();
      throw new Error(`exim4 does not start: ${String(error)}\n${log}`);
    }
    return exim;
  }

  async #log(): Promise<string> {
    const read = (name: string) => readFile(join(this.daemon.dir, 'log', name), 'utf8').catch(() => '');
    return (await read('panic')) + (await read('main'));
  }

  /** From here on [`log`] tells. */
  async mark(): Promise<void> {
    this.#mark = (await this.#log()).length;
  }

  /** What it logged since the mark. */
  async log(): Promise<string> {
    return (await this.#log()).slice(this.#mark);
  }

  /** What it logged since the mark on the port of `service`, as soon as a client has left. */
  async logOf(service: Service): Promise<string> {
    const own = async () => (await this.log()).split('\n').filter((line) => line.includes(`I=[127.0.0.1]:${this.ports[service]} `) || line.endsWith(`I=[127.0.0.1]:${this.ports[service]}`)).join('\n');
    return eventually(`no client left ${service}`, async () => / (closed|lost|D=\d+|TLS error|rejected connection)/.test(await own()) && own());
  }

  /** Waits until the message with this id is dealt with; what was logged about it. */
  async settled(id: string): Promise<string> {
    const own = async () => (await this.log()).split('\n').filter((line) => line.includes(` ${id} `)).join('\n');
    return eventually(`${id} is not dealt with`, async () => (await own()).includes(' Completed') && own());
  }

  /** The delivered messages that hold this text. */
  async mail(text: string): Promise<string[]> {
    const box = join(this.daemon.dir, 'mail', 'new');
    const all = await Promise.all((await readdir(box).catch(() => [])).map((name) => readFile(join(box, name), 'utf8')));
    return all.filter((mail) => mail.includes(text));
  }

  stop(): Promise<void> {
    return this.daemon.stop();
  }
}

function configuration(root: string, dir: string, ports: Record<Service, number>): string {
  /** Exim's condition: the client came to one of these ports. */
  const at = (...names: Service[]) => `match{$received_port}{^(${names.map((name) => ports[name]).join('|')})\\$}`;
  const hosts = (...names: Service[]) => `\${if ${at(...names)}{*}{}}`;
  return `
exim_path = ${root}/usr/sbin/exim4
exim_user = Debian-exim
exim_group = Debian-exim
deliver_drop_privilege = true
keep_environment =
primary_hostname = mail.test
spool_directory = ${dir}/spool
log_file_path = ${dir}/log/%s
pid_file_path = ${dir}/exim.pid
log_selector = +all_parents +incoming_port +incoming_interface +smtp_connection +smtp_no_mail +smtp_mailauth +tls_cipher +received_recipients
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${Object.values(ports).join(' : ')}
tls_on_connect_ports = ${ports.smtps}
host_lookup =
rfc1413_query_timeout = 0s
qualify_domain = example.com
queue_run_in_order = true
tls_certificate = ${dir}/certificate.pem
tls_privatekey = ${dir}/key.pem
tls_advertise_hosts = ${hosts('submission', 'old', 'ancient', 'demanding')}
tls_require_ciphers = \${if ${at('old')}{NORMAL:-VERS-ALL:+VERS-TLS1.2}{\${if ${at('ancient')}{NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA}{NORMAL}}}}
auth_advertise_hosts = \${if or{{${at('clear', 'login')}}{and{{${at('submission', 'smtps', 'demanding')}}{def:tls_in_cipher}}}}{*}{}}
message_size_limit = \${if ${at('small')}{300}{50M}}
smtputf8_advertise_hosts = ${hosts('utf8')}
acl_smtp_connect = connect
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data

begin acl
connect:
  defer condition = \${if ${at('busy')}}
        message = 4.3.2 Overloaded, try again later
  accept
mail:
  deny condition = \${if and{{${at('demanding')}}{!def:tls_in_cipher}}}
       message = 5.7.0 Encryption required
  accept
rcpt:
  deny condition = \${if match{$local_part}{^nobody}}
       message = 5.1.1 No such user here
  defer condition = \${if ${at('greylist')}}
       message = 4.7.1 Greylisted, try again later
  accept domains = example.com
  accept authenticated = *
  deny message = relay not permitted
data:
  deny condition = \${if ${at('picky')}}
       message = 5.7.1 This looks like spam
  accept

begin routers
local:
  driver = accept
  domains = example.com
  transport = maildir
elsewhere:
  driver = redirect
  data = :blackhole:

begin transports
maildir:
  driver = appendfile
  directory = ${dir}/mail
  maildir_format
  envelope_to_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{$auth2}{${ACCOUNT.username}}}{eq{$auth3}{${ACCOUNT.password}}}}}
  server_set_id = $auth2
  server_advertise_condition = \${if !${at('login')}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{$auth1}{${ACCOUNT.username}}}{eq{$auth2}{${ACCOUNT.password}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = \${if eq{$auth1}{${ACCOUNT.username}}{${ACCOUNT.password}}fail}
  server_set_id = $auth1
  server_advertise_condition = \${if !${at('login')}}
`;
}
