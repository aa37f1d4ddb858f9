// The APIs of the local data provider, by path: for each scope, what it lets the answer hold. An answer needs one of an
// API's scopes. `n` is a number made of the person, so that two persons do not have the same data; nobody's name is told.

const QUOTIENT = {
  cnaf_quotient_familial: (n) => ({
    quotient_familial: {
      fournisseur: n % 2 ? 'MSA' : 'CNAF', valeur: 100 + (n % 2400), annee: 2026, mois: 1, annee_calcul: 2026, mois_calcul: 1,
    },
  }),
  cnaf_allocataires: () => ({}),
  cnaf_enfants: (n) => ({
    enfants: Array.from({ length: n % 4 }, (_, i) => ({ date_naissance: `20${15 + i}-04-20`, sexe: i % 2 ? 'M' : 'F' })),
  }),
  cnaf_adresse: (n) => ({
    adresse: {
      destinataire: null, complement_information: null, complement_information_geographique: null,
      numero_libelle_voie: `${1 + (n % 90)} RUE DE L'ÉGLISE`, lieu_dit: null, code_postal_ville: '38000 GRENOBLE', pays: 'FRANCE',
    },
  }),
};

const admission = (n, members) => ({ admissions: [{ date_debut: '2025-09-01', date_fin: '2026-08-31', ...members }] });

const STUDENT = {
  mesri_identifiant: (n) => ({ identifiant: { ine: `${1_000_000_000 + (n % 1_000_000_000)}F` } }),
  mesri_admissions: admission,
  mesri_admission_inscrit: (n) => admission(n, { est_inscrit: n % 5 !== 0 }),
  mesri_admission_regime_formation: (n) => admission(n, { regime_formation: { libelle: 'formation initiale', code: 'RF1' } }),
  mesri_admission_commune_etudes: (n) => admission(n, { code_cog_insee_commune: '38185' }),
  mesri_admission_etablissement_etudes: (n) => admission(n, {
    etablissement_etudes: { uai: '0381838S', nom: 'UNIVERSITE GRENOBLE ALPES' },
  }),
};

const SCHOLARSHIP = {
  cnous_statut_boursier: (n) => ({ est_boursier: n % 3 !== 0 }),
  cnous_echelon_bourse: (n) => ({ echelon_bourse: { echelon: `${n % 8}`, echelon_bourse_regionale_provisoire: false } }),
  cnous_periode_versement: () => ({ periode_versement_bourse: { date_rentree: '2025-09-01', duree: 10 } }),
  cnous_statut_bourse: () => ({ statut_bourse: { code: 0, libelle: 'définitif' } }),
  cnous_ville_etudes: () => ({
    etablissement_etudes: { nom_commune: 'Grenoble', nom_etablissement: 'Université Grenoble Alpes' },
  }),
};

const SERVICE = {
  dsnj_statut_service_national: (n) => ({
    statut_service_national: ['en_regle', 'pas_en_regle', 'non_concerne', 'indetermine'][n % 4], commentaires: null,
  }),
};

const HEALTH = {
  complementaire_sante_solidaire: (n) => ({
    est_beneficiaire: n % 2 === 0, avec_participation: false, date_debut_droit: '2026-01-01', date_fin_droit: '2026-12-31',
  }),
};

export const APIS = {
  '/v3/dss/quotient_familial/france_connect': QUOTIENT,
  '/v3/mesri/statut_etudiant/france_connect': STUDENT,
  '/v3/cnous/etudiant_boursier/france_connect': SCHOLARSHIP,
  '/v3/dsnj/service_national/france_connect': SERVICE,
  '/v3/dss/complementaire_sante_solidaire/france_connect': HEALTH,
};

const scopesOf = (...apis) => apis.flatMap((api) => Object.keys(api));

/** The data provider as FranceConnect has it registered: the scopes it may learn of are those of its APIs. */
export const DATA_PROVIDER = {
  client_id: 'api-particulier',
  client_secret: '5d1f0c6a9b3e47528e6d4b7a1c90f3e2d85b6a47c1e09f38b2d7645a0e9c13f8',
  alg: 'ECDH-ES',
  enc: 'A256GCM',
  scopes: scopesOf(...Object.values(APIS)),
};

/** What the staging mode takes for an access token, and the scopes it then has. */
export const STAGING = {
  cnaf_qfv2: scopesOf(QUOTIENT),
  cnaf_css: scopesOf(HEALTH),
  mesri: scopesOf(STUDENT),
  cnous: scopesOf(SCHOLARSHIP),
  cnous_with_less_scopes: ['cnous_statut_boursier'],
  all_fc: DATA_PROVIDER.scopes,
};

/** Objects merged member by member, and lists item by item. */
function merge(one, other) {
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return other;
  const result = Array.isArray(one) ? [...one] : { ...one };
  for (const [name, value] of Object.entries(other)) result[name] = name in result ? merge(result[name], value) : value;
  return result;
}

/** The data of an API for a person and the scopes granted; nothing without one of its scopes. */
export function dataOf(api, scopes, n) {
  const granted = Object.keys(api).filter((scope) => scopes.includes(scope));
  return granted.length ? granted.map((scope) => api[scope](n)).reduce(merge, {}) : undefined;
}

const digitsOf = (text) => [...text].map(Number);

function luhn(text) {
  const sum = digitsOf(text).reverse().reduce((total, digit, i) => {
    const weighed = i % 2 ? digit * 2 : digit;
    return total + (weighed > 9 ? weighed - 9 : weighed);
  }, 0);
  return sum % 10 === 0;
}

const POSTE = '356000000';

/** A SIRET: 14 digits with Luhn's key; the establishments of La Poste have a rule of their own. */
export function isSiret(text) {
  if (!/^\d{14}$/.test(text)) return false;
  return luhn(text) || (text.startsWith(POSTE) && digitsOf(text).reduce((sum, digit) => sum + digit) % 5 === 0);
}
