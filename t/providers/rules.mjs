// The parameter filters that stand in front of the library: for each, what is accepted. A refusal is an HTML page
// with the code; nothing is sent back to the relying party.

const ANY = /^/;

const SOME = /./s;

// An https address with a top-level domain, or a loopback one (the one relaxation).
const REDIRECT = new RegExp('^(https://[^/?#@]+\\.[^/?#@.]{2,}|https?://(([^/?#@]+\\.)?localhost|127\\.[0-9.]+|\\[::1\\])(:[0-9]+)?)'
  + '([/?].*)?$');

const HTTP = /^https?:\/\/[^/].+$/;

const yes = (test) => ({ required: true, test });

const may = (test) => ({ required: false, test });

// RFC 7009 parameters, the same for both.
const REVOCATION = {
  token: yes(/^[^.*?{}()|[\]\\\s]{43,}$/),
  client_id: yes(SOME),
  client_secret: yes(/^[\x20-\x7e]{32,}$/),
};

export const franceconnectRules = {
  authorize: {
    code: 'Y030007',
    closed: true,
    params: {
      client_id: yes(SOME),
      acr_values: yes(ANY),
      response_type: yes(ANY),
      nonce: yes(/^.{22,}$/s),
      state: yes(ANY),
      redirect_uri: yes(REDIRECT),
      scope: yes(ANY),
      prompt: may(/^(?=.{0,64}$)(.* )?(login|consent)( .*)?$/),
      claims: may(ANY),
      idp_hint: may(ANY),
      ui_locales: may(ANY),
    },
  },
  end_session: {
    code: 'Y000400',
    closed: true,
    params: {
      id_token_hint: yes(SOME),
      post_logout_redirect_uri: may(ANY),
      state: may(ANY),
      client_id: may(ANY),
      logout_hint: may(ANY),
      ui_locales: may(ANY),
    },
  },
  revocation: { code: 'Y000400', closed: true, params: REVOCATION },
  checktoken: { closed: true, params: { token: yes(SOME), client_id: yes(SOME), client_secret: yes(SOME) } },
};

export const proconnectRules = {
  authorize: {
    code: 'Y000400',
    params: {
      client_id: yes(ANY),
      response_type: yes(ANY),
      state: yes(ANY),
      scope: yes(ANY),
      redirect_uri: yes(HTTP),
      nonce: may(/^[\x00-\x7f]{1,512}$/),
      acr_values: may(ANY),
      claims: may(ANY),
      response_mode: may(ANY),
      prompt: may(ANY),
      idp_hint: may(ANY),
      login_hint: may(/^[^\s@]+@[^\s@]+\.[^\s@]+$/),
      siret_hint: may(/^.{14}$/s),
      code_challenge: may(ANY),
      code_challenge_method: may(ANY),
    },
  },
  end_session: {
    code: 'Y000400',
    params: {
      id_token_hint: may(ANY), post_logout_redirect_uri: may(HTTP), state: may(ANY), client_id: may(ANY),
    },
  },
  revocation: { code: 'Y000400', params: REVOCATION },
};

/** The first thing wrong with the parameters of a request, or nothing. */
export function objection({ closed, params: rules }, params) {
  for (const [name, { required, test }] of Object.entries(rules)) {
    const value = params[name];
    if (value === undefined ? required : typeof value !== 'string' || !test.test(value)) {
      return `${name} ${value === undefined ? 'should not be empty' : 'is not valid'}`;
    }
  }
  const extra = closed && Object.keys(params).find((name) => !(name in rules));
  return extra ? `property ${extra} should not exist` : undefined;
}
