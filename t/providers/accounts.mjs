// The test identities, and what each provider tells of one.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const identities = JSON.parse(readFileSync(new URL('identities.json', import.meta.url), 'utf8'));

const completed = (date) => date.replaceAll('-00', '-01');

const hash = (...parts) => createHash('sha256').update(parts.join('\n')).digest('hex');

/** FranceConnect's subject: 64 hexadecimal characters and "v1", one per legal entity. */
export const subjectFor = (id, entity) => `${hash(id, entity)}v1`;

/** ProConnect's subject: a UUID version 4, the same for everyone. */
function uuid(id) {
  const hex = hash(id);
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)]
    .join('-');
}

const rnippClaims = (claims) => Object.fromEntries(
  ['given_name', 'given_name_array', 'family_name', 'birthdate', 'gender', 'birthplace', 'birthcountry']
    .map((name) => [`rnipp_${name}`, name === 'birthdate' ? completed(claims[name]) : claims[name]]),
);

const ROWS = {
  franceconnect: (claims) => ({
    ...claims,
    birthdate: completed(claims.birthdate),
    idp_birthdate: claims.birthdate,
    idp_id: '9c716f61-b8a1-435c-a407-ef4d677ec270',
  }),
  franceconnect_plus: (claims) => ({ ...claims, ...rnippClaims(claims) }),
  proconnect: (claims, id) => ({
    ...claims, sub: uuid(id), idp_id: '71144ab3-ee1a-4401-b7b3-79b44f7daeeb', idp_acr: 'eidas1',
  }),
  generic: (claims) => ({
    ...claims,
    name: `${claims.given_name} ${claims.family_name}`,
    email_verified: true,
    phone_number_verified: false,
    locale: 'fr-FR',
    updated_at: 1735689600,
    address: { street_address: '1 rue de l’Église', postal_code: '75001', locality: 'Paris', country: 'FR' },
  }),
};

/** All the claims of an identity; the provider then picks what the scopes give. */
export function claimsFor(row, id) {
  const { claims, email } = identities[id];
  return ROWS[row]({ ...claims, email }, id);
}
