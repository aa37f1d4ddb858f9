// Levels of assurance: which one a request asks for, which ones may be returned.

const words = (text) => (text ?? '').split(' ').filter(Boolean);

function essentialOf(claims) {
  const acr = claims && JSON.parse(claims).id_token?.acr;
  if (!acr?.essential) return undefined;
  return acr.values ?? (acr.value && [acr.value]);
}

/** FranceConnect's pickAcr: the lowest known value of the list, else the instance's default. */
export function pickAcr({ acr: { known, fallback } }, values) {
  const asked = words(values);
  return known.find((level) => asked.includes(level)) ?? fallback;
}

/**
 * The levels of a request. asked: what a login is expected to reach; possible: what the identity provider may
 * return; essential, voluntary: the two ways to ask.
 */
export function levelsOf({ acr, flavour }, { acr_values: values, claims }) {
  const essential = essentialOf(claims);
  const voluntary = words(values).filter((level) => acr.known.includes(level));
  const asked = essential?.find((level) => acr.known.includes(level)) ?? voluntary[0] ?? acr.fallback;
  const possible = flavour === 'franceconnect' ? acr.allowed.slice(acr.allowed.indexOf(asked)) : acr.allowed;
  return { asked, possible, essential, voluntary };
}

export const unmet = ({ essential }, acr) => Boolean(essential) && !essential.includes(acr);

/** ProConnect reports a level it does not know as eidas1; FranceConnect's own are always known. */
export const reportedLevel = ({ acr, flavour }, level) => (flavour !== 'proconnect' || acr.known.includes(level)
  ? level : acr.fallback);
