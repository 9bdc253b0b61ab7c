// A third party's sign-in service (npm `oauth2-mock-server`) behind the paths of Microsoft's, and what that one has none of: a page on which
// people sign in, device codes, refresh tokens that count once, and the check of what an application signs (npm `jose`).

import { createHash, randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, decodeProtectedHeader, importX509, jwtVerify } from 'jose';
import { Events, OAuth2Server } from 'oauth2-mock-server';

/** What Exchange Online takes tokens for. */
export const AUDIENCE = 'https://outlook.office.com';

/** Another site than Postroom, for a browser. */
const HOST = '127.0.0.2';
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** What a token was asked for with. */
export type TokenRequest = Record<string, unknown>;

/** Why a token isn't granted, as Microsoft says it. */
export interface Refusal {
  error: string;
  error_description: string;
  error_codes: number[];
  trace_id: string;
  correlation_id: string;
}

/** A refusal with what support asks for. */
export function refusal(error: string, code: number, words = 'no'): Refusal {
  return { error, error_description: `AADSTS${code}: ${words}`, error_codes: [code], trace_id: `trace-${code}`, correlation_id: `correlation-${code}` };
}

type Granted = Record<string, unknown> & { access_token: string; refresh_token?: string };

export class SignInService {
  /** Every request for a token, in the order in which they came. */
  readonly requests: TokenRequest[] = [];
  /** Everything secret that was handed out. */
  readonly secrets: string[] = [];
  /** The mailbox that an application may send as. */
  actsFor: string | undefined;
  /** Who signs in on the page, or by a code. */
  person = 'scan@example.com';
  /** From now on no token is granted, for this reason. */
  refusal: Refusal | undefined;
  /** What was uploaded for applications that show a certificate, PEM. */
  certificate: string | undefined;
  readonly #tenant: string;
  readonly #server = new OAuth2Server();
  readonly #front: Server;
  readonly #refreshable = new Set<string>();
  /** Device codes by what is typed, and whether somebody did. */
  readonly #devices = new Map<string, { code: string; entered: boolean | undefined }>();

  private constructor(tenant: string) {
    this.#tenant = tenant;
    this.#server.service.on(Events.BeforeTokenSigning, ({ payload }, { body }) => {
      const whose = body.username ?? (body.grant_type === 'client_credentials' ? this.actsFor : this.person);
      // What says who signed in is for the application, everything else for mail.
      if (payload.aud !== undefined && payload.aud === body.client_id) Object.assign(payload, { preferred_username: whose });
      else Object.assign(payload, { aud: AUDIENCE, scp: 'SMTP.Send', upn: whose });
    });
    this.#front = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
      });
    });
  }

  /** Answers for one tenant. */
  static async start(tenant: string): Promise<SignInService> {
    const service = new SignInService(tenant);
    await service.#server.issuer.keys.generate('RS256');
    await service.#server.start(0, '127.0.0.1');
    await new Promise<void>((resolve) => service.#front.listen(0, HOST, resolve));
    return service;
  }

  /** Its address, for `--oauth-authority`. */
  get authority(): string {
    return `http://${HOST}:${(this.#front.address() as AddressInfo).port}`;
  }

  /** One of its places: `token`, `authorize`, `devicecode`. */
  endpoint(name: string): string {
    return `${this.authority}/${this.#tenant}/oauth2/v2.0/${name}`;
  }

  get #inner(): string {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Whose token it is, if it is one of this service for mail. */
  async owner(token: string): Promise<string> {
    const keys = createRemoteJWKSet(new URL(`${this.#inner}/jwks`));
    const { payload } = await jwtVerify(token, keys, { audience: AUDIENCE });
    if (payload.scp !== 'SMTP.Send') throw new Error('the token is for something else');
    return String(payload.upn);
  }

  /** Somebody types a code, and agrees or not. */
  enter(code: string, agrees = true): void {
    const device = this.#devices.get(code);
    if (!device) throw new Error(`no code ${code} was given out`);
    device.entered = agrees;
  }

  /** Signs in like a person at this address; where the service leads then. */
  async accept(authorizeUrl: string): Promise<string> {
    const { origin, searchParams } = new URL(authorizeUrl);
    const path = new URL(this.endpoint('signed-in')).pathname;
    const answer = await fetch(origin + path, { method: 'POST', body: new URLSearchParams([...searchParams, ['agrees', 'yes']]), redirect: 'manual' });
    return answer.headers.get('location') ?? '';
  }

  async stop(): Promise<void> {
    this.#front.closeAllConnections();
    await new Promise((resolve) => this.#front.close(resolve));
    await this.#server.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.authority);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = new URLSearchParams(Buffer.concat(chunks).toString());
    switch (`${request.method} ${url.pathname.replace(`/${this.#tenant}/oauth2/v2.0`, '')}`) {
      case 'POST /token':
        return this.#token(body, response);
      case 'POST /devicecode':
        return this.#deviceCode(response);
      case 'GET /authorize':
        return this.#page(url.searchParams, response);
      case 'POST /signed-in':
        return this.#signedIn(body, response);
      default:
        response.writeHead(404, { 'content-type': 'text/plain' }).end('nothing here');
    }
  }

  /** The page on which people sign in. Nothing goes on until somebody presses a button. */
  #page(query: URLSearchParams, response: ServerResponse): void {
    const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
    const hidden = [...query].map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`).join('');
    const page = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Sign-in service</title><link rel="icon" href="data:,"><main><h1>Sign-in service</h1>
      <form method="post" action="signed-in">${hidden}<p>Account: ${escaped(this.person)}</p><button name="agrees" value="yes">Accept</button> <button name="agrees" value="no">Decline</button></form></main></html>`;
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  }

  async #signedIn(body: URLSearchParams, response: ServerResponse): Promise<void> {
    const redirect = new URL(body.get('redirect_uri') ?? '');
    if (body.get('agrees') === 'no') {
      const said = { error: 'access_denied', error_description: 'AADSTS65004: User declined to consent to access the app. Trace ID: trace-65004', state: body.get('state') ?? '' };
      for (const [name, value] of Object.entries(said)) redirect.searchParams.set(name, value);
      response.writeHead(302, { location: redirect.href }).end();
      return;
    }
    const answer = await fetch(`${this.#inner}/authorize?${body}`, { redirect: 'manual' });
    const location = answer.headers.get('location') ?? '';
    this.secrets.push(new URL(location).searchParams.get('code') ?? '');
    response.writeHead(302, { location }).end();
  }

  #deviceCode(response: ServerResponse): void {
    const typed = randomUUID().slice(0, 8).toUpperCase();
    const code = randomUUID();
    this.secrets.push(code);
    this.#devices.set(typed, { code, entered: undefined });
    json(response, 200, { device_code: code, user_code: typed, verification_uri: `${this.authority}/device`, expires_in: 900, interval: 1, message: 'Enter it.' });
  }

  async #token(body: URLSearchParams, response: ServerResponse): Promise<void> {
    const request = Object.fromEntries(body);
    this.requests.push(request);
    const refused = this.refusal ?? (await this.#refuses(body));
    if (refused) return json(response, 400, refused);
    // It knows no such grant; what it grants is the same.
    if (request.grant_type === DEVICE_GRANT) body.set('grant_type', 'authorization_code');
    const answer = await fetch(`${this.#inner}/token`, { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    const granted = (await answer.json()) as Granted;
    if (answer.ok && granted.refresh_token) {
      granted.scope = `${AUDIENCE}/SMTP.Send`;
      this.#refreshable.add(granted.refresh_token);
      this.secrets.push(granted.refresh_token);
    }
    if (answer.ok) this.secrets.push(granted.access_token);
    json(response, answer.status, granted);
  }

  /** Why what was shown isn't enough. */
  async #refuses(body: URLSearchParams): Promise<Refusal | undefined> {
    if (body.get('grant_type') === 'refresh_token') {
      // Each counts once.
      return this.#refreshable.delete(body.get('refresh_token') ?? '') ? undefined : refusal('invalid_grant', 700082, 'The refresh token has expired.');
    }
    if (body.get('grant_type') === DEVICE_GRANT) {
      const device = [...this.#devices.values()].find(({ code }) => code === body.get('device_code'));
      if (device?.entered === undefined) return refusal('authorization_pending', 70016);
      return device.entered ? undefined : refusal('authorization_declined', 70017);
    }
    const assertion = body.get('client_assertion');
    if (assertion === null) return undefined;
    return (await this.#isSignedWell(assertion, body.get('client_id') ?? '')) ? undefined : refusal('invalid_client', 700027);
  }

  /** Whether an application is who it says (RFC 7523 section 3), by the certificate that was uploaded. */
  async #isSignedWell(assertion: string, client: string): Promise<boolean> {
    if (!this.certificate) return false;
    const der = Buffer.from(this.certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const named = decodeProtectedHeader(assertion)['x5t#S256'] === createHash('sha256').update(der).digest('base64url');
    const key = await importX509(this.certificate, 'PS256');
    const expected = { algorithms: ['PS256'], audience: this.endpoint('token'), issuer: client, subject: client };
    return named && (await jwtVerify(assertion, key, expected).then(() => true, () => false));
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}
