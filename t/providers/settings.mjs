// The table of providers, one row each.
import { DATA_PROVIDER } from './apis.mjs';
import { franceconnectRules, proconnectRules } from './rules.mjs';

const ROUTES = {
  authorization: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  end_session: '/session/end',
  jwks: '/jwks',
  revocation: '/token/revocation',
  introspection: '/token/introspection',
};

const on = { enabled: true };

const off = { enabled: false };

const EIDAS = ['eidas1', 'eidas2', 'eidas3'];

const PROCONNECT_LEVELS = ['eidas0', 'eidas0-mfa', 'eidas1', 'eidas1-mfa', 'eidas2', 'eidas3',
  'https://proconnect.gouv.fr/assurance/certification-dirigeant'];

const SIGNATURES = ['RS', 'PS', 'ES', 'HS'].flatMap((family) => [256, 384, 512].map((size) => `${family}${size}`));

const LAX = { sameSite: 'lax', signed: true, path: '/' };

const jwa = (signing, encryption) => ({
  idTokenSigningAlgValues: signing,
  userinfoSigningAlgValues: signing,
  requestObjectSigningAlgValues: ['ES256', 'RS256'],
  dPoPSigningAlgValues: ['ES256', 'RS256'],
  idTokenEncryptionAlgValues: encryption,
  userinfoEncryptionAlgValues: encryption,
  requestObjectEncryptionAlgValues: encryption,
  idTokenEncryptionEncValues: ['A256GCM'],
  userinfoEncryptionEncValues: ['A256GCM'],
  requestObjectEncryptionEncValues: ['A256GCM'],
});

const certificateOf = ({ socket }) => socket.getPeerX509Certificate?.();

const franceconnect = ({ name, acrValues, session, signing, encrypting, defaultAlg, encryption, keys, sso, dataProviders }) => ({
  package: 'oidc-provider-9',
  name,
  flavour: 'franceconnect',
  rules: franceconnectRules,
  acr: { known: EIDAS, allowed: acrValues, fallback: defaultAlg === 'HS256' ? 'eidas1' : 'eidas3' },
  idpHints: ['fi-identite-numerique', 'fi-exemple'],
  keys,
  sso,
  dataProviders,
  consentPage: true,
  cacheControl: 'public, max-age=600',
  library: {
    routes: ROUTES,
    subjectTypes: ['pairwise'],
    cookies: { long: LAX, short: LAX },
    features: {
      devInteractions: off,
      encryption,
      jwtUserinfo: on,
      revocation: on,
      claimsParameter: on,
      resourceIndicators: off,
      requestObjects: on,
      pushedAuthorizationRequests: off,
      backchannelLogout: off,
    },
    acceptQueryParamAccessTokens: true,
    acrValues,
    scopes: ['openid'],
    clientAuthMethods: ['client_secret_post', 'private_key_jwt'],
    clientDefaults: {
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: defaultAlg,
      application_type: 'web',
      subject_type: 'pairwise',
    },
    responseTypes: ['code'],
    enabledJWA: { ...jwa(signing, encrypting), clientAuthSigningAlgValues: ['ES256', 'RS256'] },
    pkce: { required: () => false },
    clientBasedCORS: () => false,
    ttl: { AccessToken: 60, AuthorizationCode: 30, Grant: 30, IdToken: 60, Interaction: session, Session: session },
  },
});

export const rows = {
  franceconnect: franceconnect({
    name: 'FranceConnect',
    acrValues: ['eidas1'],
    session: 1800,
    signing: ['ES256', 'RS256', 'HS256'],
    encrypting: ['ECDH-ES', 'RSA-OAEP'],
    defaultAlg: 'HS256',
    encryption: off,
    keys: [{ crv: 'P-256', alg: 'ES256', kid: 'pkcs11:ES256:hsm' }, { alg: 'RS256', kid: 'pkcs11:RS256:hsm' }],
    sso: { cookie: 'fc_session_id', seconds: 1800, sliding: true, required: true, reuse: () => true },
    dataProviders: [DATA_PROVIDER],
  }),

  franceconnect_plus: franceconnect({
    name: 'FranceConnect+',
    acrValues: ['eidas2', 'eidas3'],
    session: 600,
    signing: ['ES256'],
    encrypting: ['ECDH-ES', 'RSA-OAEP', 'RSA-OAEP-256'],
    defaultAlg: 'ES256',
    encryption: on,
    keys: [{ crv: 'P-256', alg: 'ES256', kid: 'pkcs11:hsm' }],
    sso: {
      cookie: 'fc_session_id', seconds: 600, sliding: false, required: true, reuse: ({ asked }) => asked === 'eidas2',
    },
  }),

  proconnect: {
    package: 'oidc-provider-7',
    name: 'ProConnect',
    flavour: 'proconnect',
    rules: proconnectRules,
    acr: { known: PROCONNECT_LEVELS, allowed: PROCONNECT_LEVELS, fallback: 'eidas1' },
    idpHints: ['idp-exemple', 'idp-ministere'],
    keys: [
      { crv: 'P-256', alg: 'ES256', kid: 'pkcs11:ES256:hsm' }, { alg: 'RS256', kid: 'pkcs11:RS256:hsm' }],
    sso: {
      cookie: 'pc_session_id',
      seconds: 43200,
      sliding: false,
      reuse: ({ session, params, levels }) => (!params.idp_hint || params.idp_hint === session.idp)
        && (!params.login_hint || params.login_hint === session.email)
        && (!levels.essential || levels.essential.includes(session.acr))
        && ![...levels.voluntary, ...(levels.essential ?? [])].some((level) => ['eidas2', 'eidas3'].includes(level)),
    },
    grantAlways: true,
    grantsClaims: true,
    cacheControl: 'public, max-age=600',
    library: {
      routes: ROUTES,
      subjectTypes: ['public'],
      cookies: { long: LAX, short: LAX },
      extraParams: ['idp_hint', 'siret_hint'],
      features: {
        devInteractions: off,
        encryption: on,
        introspection: on,
        jwtUserinfo: on,
        jwtIntrospection: { enabled: true, ack: 'draft-10' },
        revocation: on,
        claimsParameter: on,
        resourceIndicators: off,
        backchannelLogout: off,
      },
      acrValues: PROCONNECT_LEVELS,
      scopes: ['openid'],
      issueRefreshToken: () => true,
      rotateRefreshToken: true,
      tokenEndpointAuthMethods: ['client_secret_post', 'private_key_jwt'],
      clientDefaults: {
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_post',
        id_token_signed_response_alg: 'ES256',
        application_type: 'web',
      },
      responseTypes: ['code'],
      enabledJWA: jwa(['ES256', 'RS256', 'HS256'], ['ECDH-ES', 'RSA-OAEP']),
      pkce: { methods: ['S256'], required: () => false },
      clientBasedCORS: () => false,
      ttl: {
        AccessToken: 3600, AuthorizationCode: 600, IdToken: 3600, Grant: 43200, Session: 43200, RefreshToken: 43200,
        Interaction: 3600,
      },
    },
  },

  generic: {
    package: 'oidc-provider-9',
    name: 'Fournisseur générique',
    flavour: 'generic',
    rules: {},
    acr: { known: ['1', '2'], allowed: ['1', '2'], fallback: '1' },
    keys: [
      { kid: 'rsa-1' }, { crv: 'P-256', kid: 'ec-256' }, { crv: 'P-384', kid: 'ec-384' },
      { crv: 'P-521', kid: 'ec-512' }],
    sso: { cookie: 'op_session_id', seconds: 3600, sliding: false, reuse: () => false },
    consentPage: true,
    grantsClaims: true,
    clientCertificates: true,
    library: {
      routes: ROUTES,
      subjectTypes: ['public'],
      features: {
        devInteractions: off,
        encryption: on,
        introspection: on,
        jwtUserinfo: on,
        revocation: on,
        claimsParameter: on,
        resourceIndicators: off,
        pushedAuthorizationRequests: on,
        mTLS: {
          ...on,
          tlsClientAuth: true,
          selfSignedTlsClientAuth: true,
          getCertificate: certificateOf,
          certificateAuthorized: ({ socket }) => socket.authorized,
          certificateSubjectMatches: (ctx, property, value) => property === 'tls_client_auth_san_dns'
            && certificateOf(ctx).subjectAltName === `DNS:${value}`,
        },
        backchannelLogout: on,
      },
      acrValues: ['1', '2'],
      scopes: ['openid', 'offline_access'],
      clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt',
        'tls_client_auth', 'self_signed_tls_client_auth', 'none'],
      clientDefaults: {
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        id_token_signed_response_alg: 'RS256',
      },
      responseTypes: ['code'],
      enabledJWA: { idTokenSigningAlgValues: SIGNATURES, userinfoSigningAlgValues: SIGNATURES },
      pkce: { required: (ctx, client) => client.clientAuthMethod === 'none' },
      clientBasedCORS: () => false,
      ttl: {
        AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, Grant: 1209600, Session: 1209600,
        RefreshToken: 1209600, Interaction: 3600,
      },
    },
  },
};
