// What each scope gives, per provider. A scope with an empty list is one of
// a data provider: it authorises the access token and adds no claim.
import { DATA_PROVIDER } from './apis.mjs';

const same = (...names) => Object.fromEntries(names.map((name) => [name, [name]]));

const none = (...names) => Object.fromEntries(names.map((name) => [name, []]));

// Members of the ID token that exist whatever the scope.
const PROTOCOL = { acr: null, auth_time: null, iss: null, sid: null };

const franceconnect = {
  ...PROTOCOL,
  openid: ['sub'],
  profile: ['given_name', 'given_name_array', 'family_name', 'birthdate', 'gender', 'preferred_username'],
  birth: ['birthplace', 'birthcountry'],
  identite_pivot: ['given_name', 'given_name_array', 'family_name', 'birthdate', 'gender', 'birthplace',
    'birthcountry'],
  given_name: ['given_name', 'given_name_array'],
  ...same('family_name', 'birthdate', 'gender', 'birthplace', 'birthcountry', 'email', 'preferred_username',
    'idp_birthdate', 'amr', 'idp_id'),
  ...none('dgfip_rfr', 'dgfip_annee_n_moins_1', 'droits_assurance_maladie', ...DATA_PROVIDER.scopes),
};

const rnippName = (name) => [name, `rnipp_${name}`];

const rnipp = {
  rnipp_gender: rnippName('gender'),
  rnipp_family_name: rnippName('family_name'),
  rnipp_given_name: [...rnippName('given_name'), 'rnipp_given_name_array'],
  rnipp_birthdate: rnippName('birthdate'),
  rnipp_birthplace: rnippName('birthplace'),
  rnipp_birthcountry: rnippName('birthcountry'),
};

const rnippGroup = (...names) => names.flatMap((name) => rnipp[`rnipp_${name}`]);

const franceconnectPlus = {
  ...PROTOCOL,
  openid: ['sub'],
  profile: ['given_name', 'family_name', 'birthdate', 'gender', 'preferred_username'],
  birth: ['birthplace', 'birthcountry'],
  identite_pivot: ['given_name', 'family_name', 'birthdate', 'gender', 'birthplace', 'birthcountry'],
  ...same('given_name', 'family_name', 'birthdate', 'gender', 'birthplace', 'birthcountry', 'email',
    'preferred_username', 'amr'),
  ...rnipp,
  rnipp_profile: rnippGroup('given_name', 'family_name', 'birthdate', 'gender'),
  rnipp_birth: rnippGroup('birthplace', 'birthcountry'),
  rnipp_identite_pivot: rnippGroup('given_name', 'family_name', 'birthdate', 'gender', 'birthplace',
    'birthcountry'),
  ...none('dgfip_rfr', 'droits_assurance_maladie', 'cnous_statut_boursier'),
};

const proconnect = {
  ...PROTOCOL,
  openid: ['sub'],
  ...same('uid', 'given_name', 'usual_name', 'email', 'siren', 'siret', 'organizational_unit',
    'belonging_population', 'idp_id', 'idp_acr', 'amr', 'organization_label', 'groups', 'roles', 'custom',
    'lasuite_visio'),
  phone: ['phone_number'],
  chorusdt: ['chorusdt:matricule', 'chorusdt:societe'],
};

const generic = {
  ...PROTOCOL,
  amr: null,
  openid: ['sub'],
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'birthdate', 'gender', 'locale',
    'updated_at'],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  address: ['address'],
  groups: ['groups', 'roles'],
  custom: ['custom', 'organizational_unit', 'chorusdt:matricule'],
};

export const CLAIMS = { franceconnect, franceconnect_plus: franceconnectPlus, proconnect, generic };

/** The names of the claims that a list of scopes gives, without those of the protocol. */
export function claimsOf(row, scope) {
  const names = scope.split(' ').flatMap((name) => CLAIMS[row][name] ?? []);
  return [...new Set(names)].filter((name) => name !== 'sub');
}

// The first word of a data provider's scope says whose data it is.
const DATA_LABELS = {
  cnaf: 'Famille (CAF, MSA)', cnous: 'Bourse d’études (Cnous)', mesri: 'Études supérieures', dsnj: 'Service national',
  complementaire: 'Complémentaire santé', dgfip: 'Impôts', droits: 'Assurance maladie',
};

/** The data providers' scopes of a list, each with its label. */
export function dataOf(row, scope) {
  const data = scope.split(' ').filter((name) => CLAIMS[row][name]?.length === 0);
  return data.map((name) => [name, `${DATA_LABELS[name.split('_')[0]]}\u00a0: ${name}`]);
}
