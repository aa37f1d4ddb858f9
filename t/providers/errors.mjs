// The error answers of each flavour of provider: HTML pages with their codes, and the API's JSON.
import { createHash, randomUUID } from 'node:crypto';
import { errorPage } from './pages.mjs';

const DOCS = 'https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-erreurs/';

// Known codes, by what the library says.
const CODES = [
  [/^client is invalid$/, 'Y04EA6EF'],
  [/^redirect_uri did not match/, 'Y04C013C'],
  [/sector_identifier_uri/, 'Y04A8220'],
  [/^client authentication failed$/, 'Y0434A7B'],
  [/^missing required parameter 'code'$/, 'Y048017B'],
  [/^grant request is invalid$/, 'Y049E20B'],
  [/^no access token provided$/, 'Y04146A2'],
];

// What a code shows when nothing else is known: a stable one, made of the description.
const otherCode = (text) => `Y04${createHash('sha256').update(text).digest('hex').slice(0, 5).toUpperCase()}`;

function franceconnectCode(description, error) {
  const text = [description, error.error_detail].join(' ');
  return CODES.find(([pattern]) => pattern.test(description) || pattern.test(text))?.[1] ?? otherCode(text);
}

/** Sends an HTML error page, outside the library. */
export function sendErrorPage(res, settings, status, code, text) {
  res.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  res.end(errorPage(settings, { code, text, id: randomUUID() }));
}

export function sendJson(res, status, body) {
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}

const API = /^\/(token|userinfo|jwks|\.well-known)/;

const FLAVOURS = {
  franceconnect: {
    page(ctx, out, error) {
      const description = out.error_description ?? out.error;
      // A wrong redirect_uri behind another error is a third one.
      const masked = out.error === 'invalid_redirect_uri' && ctx.errorsSeen > 1;
      return { code: masked ? 'Y040001' : franceconnectCode(description, error), text: description };
    },
    json(out, error) {
      const { error_description: description = out.error } = out;
      const code = franceconnectCode(description, error);
      return {
        error: out.error,
        error_description: `${description} (${error.error_detail})`,
        error_uri: `${DOCS}?code=${code}&id=${randomUUID()}`,
      };
    },
    apiInHtml: false,
  },
  proconnect: {
    page: (ctx, out) => ({
      code: out.error_description === 'SessionNotFound' || out.error === 'session_not_found'
        ? 'oidc-provider-error:session-not-found' : `oidc-provider-rendered-error:${out.error}`,
      text: out.error_description ?? out.error,
    }),
    json: (out) => out,
    apiInHtml: true,
  },
  generic: {
    page: (ctx, out) => ({ code: out.error, text: out.error_description ?? out.error }),
    json: (out) => out,
    apiInHtml: true,
  },
};

/** The JSON of an error met outside the library, in the provider's shape. */
export function apiError(settings, error, description, detail) {
  const out = { error, error_description: description };
  return FLAVOURS[settings.flavour].json(out, { error_detail: detail });
}

/** What a login page that cannot go on answers with. */
export const LOST = { franceconnect: 'Y190001', proconnect: 'Y190001', generic: 'session_not_found' };

const EVENTS = ['grant.error', 'userinfo.error', 'revocation.error', 'introspection.error', 'server_error'];

const plain = (error) => ({ error: error.message, error_description: error.error_description });

/** Gives the library's errors their shape; settings.library gets renderError from here. */
export function renderErrorFor(settings) {
  const flavour = FLAVOURS[settings.flavour];
  return (ctx, out, error) => {
    if (!flavour.apiInHtml && API.test(ctx.path)) {
      ctx.body = flavour.json(out, error);
      return;
    }
    ctx.type = 'html';
    ctx.body = errorPage(settings, { ...flavour.page(ctx, out, error), id: randomUUID() });
  };
}

export function watchErrors(provider, settings) {
  const { json } = FLAVOURS[settings.flavour];
  provider.on('authorization.error', (ctx) => { ctx.errorsSeen = (ctx.errorsSeen ?? 0) + 1; });
  for (const event of EVENTS) {
    provider.on(event, (ctx, error) => {
      const isApi = API.test(ctx.path) && typeof ctx.body === 'object';
      if (isApi) ctx.body = json(error.expose ? plain(error) : ctx.body, error);
      if (event === 'server_error') process.stderr.write(`${ctx.method} ${ctx.path}: ${error.stack}\n`);
    });
  }
}
