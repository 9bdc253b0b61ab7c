// A third party's sign-in service (npm `oauth2-mock-server`) that answers under the paths of Microsoft's.

import { createRemoteJWKSet, jwtVerify } from 'jose';
import { Events, OAuth2Server } from 'oauth2-mock-server';

/** What Exchange Online takes tokens for. */
export const AUDIENCE = 'https://outlook.office.com';

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

export class SignInService {
  /** Every request, in the order in which they came. */
  readonly requests: TokenRequest[] = [];
  /** The mailbox that an application may send as. */
  actsFor: string | undefined;
  /** From now on no token is granted, for this reason. */
  refusal: Refusal | undefined;
  readonly #server: OAuth2Server;

  private constructor(tenant: string) {
    this.#server = new OAuth2Server(undefined, undefined, { endpoints: { token: `/${tenant}/oauth2/v2.0/token` } });
    this.#server.service.on(Events.BeforeTokenSigning, (token, request) => {
      Object.assign(token.payload, { aud: AUDIENCE, scp: 'SMTP.Send', upn: request.body.username ?? this.actsFor });
    });
    this.#server.service.on(Events.BeforeResponse, (response, request) => {
      this.requests.push({ ...request.body });
      if (this.refusal) Object.assign(response, { statusCode: 400, body: this.refusal });
    });
  }

  /** Answers for one tenant. */
  static async start(tenant: string): Promise<SignInService> {
    const service = new SignInService(tenant);
    await service.#server.issuer.keys.generate('RS256');
    await service.#server.start(0, '127.0.0.1');
    return service;
  }

  /** Its address, for `--oauth-authority`. */
  get authority(): string {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Whose token it is, if it is one of this service for mail. */
  async owner(token: string): Promise<string> {
    const keys = createRemoteJWKSet(new URL(`${this.authority}/jwks`));
    const { payload } = await jwtVerify(token, keys, { audience: AUDIENCE });
    if (payload.scp !== 'SMTP.Send') throw new Error('the token is for something else');
    return String(payload.upn);
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}
