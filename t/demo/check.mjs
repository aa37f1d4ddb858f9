// The demonstration as a person meets it, in a headless Chromium: once on http, once on https
// (an argument names one of them). Prints "N passed, N failed".
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { freePorts, portCount, root, start } from './stack.mjs';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const output = path.join(root, 'build', 'demo-check');

// A person at each provider, and the headers that the application must have received, to the letter. undefined: not sent at all.
const journeys = [
  { row: 'franceconnect', consents: true, home: '/franceconnect/', person: 'angela', greeting: 'Éléonore Françoise Zoé D\'AÇORES', headers: {
    'x-given-name': 'Éléonore Françoise Zoé', 'x-family-name': 'MÜLLER-LEFÈVRE', 'x-preferred-username': 'D\'AÇORES', 'x-birthdate': '1962-08-24',
    'x-gender': 'female', 'x-birthplace': '2A115', 'x-birthcountry': '99100', 'x-email': 'eleonore.muller-lefevre@exemple.fr',
    'x-oidc-acr': 'eidas1' } },
  { row: 'franceconnect_plus', consents: true, home: '/franceconnect-plus/', person: 'abroad', greeting: 'Ştefan Łukasz NGUYỄN', headers: {
    'x-given-name': 'Ştefan Łukasz', 'x-family-name': 'NGUYỄN', 'x-birthdate': '1985-02-00', 'x-gender': 'male', 'x-birthplace': undefined,
    'x-birthcountry': '99243', 'x-email': 'stefan.nguyen@exemple.fr', 'x-oidc-acr': 'eidas2' } },
  { row: 'proconnect', consents: false, home: '/proconnect/', person: 'agent', greeting: 'Hyacinthe Besson-Oûtis', headers: {
    'x-given-name': 'Hyacinthe', 'x-usual-name': 'Besson-Oûtis', 'x-email': 'hyacinthe.besson-outis@ministere.exemple.fr',
    'x-siret': '11009001600053', 'x-uid': 'hbesson-4242', 'x-phone-number': '+33 1 40 00 00 00',
    'x-organizational-unit': 'Direction générale / Bureau des « affaires », pôle n° 3', 'x-matricule': 'USER_AGC-0042',
    'x-roles': '["agent_public","agent_public_etat"]' } },
  { row: 'generic', consents: true, home: '/generic/', person: 'angela', greeting: 'Éléonore Françoise Zoé D\'AÇORES', headers: {
    'x-name': 'Éléonore Françoise Zoé MÜLLER-LEFÈVRE', 'x-email': 'eleonore.muller-lefevre@exemple.fr', 'x-sub': 'angela' } },
];

// The module's page of a cancelled login.
const CALM = { title: 'Connexion annulée', retry: 'Réessayer' };

let passed = 0;
const failures = [];
let context = '';
function check(what, actual, expected) {
  if (actual === expected) { passed += 1; return; }
  const line = `${context}: ${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`;
  failures.push(line);
  console.log(`not ok - ${line}`);
}
// A step that throws is a failure of that step alone.
async function step(name, run) {
  context = name;
  try { await run(); } catch (error) { check(String(error.message).split('\n')[0], 'failed', 'done'); }
}

const header = async (page, name) => {
  const cell = page.locator(`td[data-header="${name}"]`);
  return (await cell.count()) ? cell.first().textContent() : undefined;
};
const originOf = (page) => new URL(page.url()).origin;
const pathOf = (page) => page.url().slice(originOf(page).length);

// What a person does at a provider, whichever it is: t/providers/pages.mjs.
async function chooseIdentity(page, person) {
  await page.check(`[name=identity][value=${person}]`);
  await page.click('#submit');
}

class Run {
  constructor(stack, browser, folder) { Object.assign(this, { stack, browser, folder, shots: 0 }); }

  shot(page, name) {
    this.shots += 1;
    return page.screenshot({ path: path.join(this.folder, `${String(this.shots).padStart(2, '0')}-${name}.png`), fullPage: true });
  }

  newContext(options = {}) {
    return this.browser.newContext({ locale: 'fr-FR', viewport: { width: 1280, height: 900 }, ...options }).then((browser) => {
      browser.setDefaultTimeout(10000);
      return browser;
    });
  }

  async atProvider(page, row) {
    await page.waitForLoadState();
    check('the login page is the provider\'s', originOf(page), this.stack.providers[row]);
  }

  // From the provider's first page to the page that was asked for.
  async login(page, { row, person, consents }, target, shots = false) {
    await this.atProvider(page, row);
    if (shots) await this.shot(page, `${row}-login`);
    await chooseIdentity(page, person);
    await page.waitForLoadState();
    if (consents) {
      if (shots) await this.shot(page, `${row}-consent`);
      await page.click('#accept');
    }
    await page.waitForURL(this.stack.origin + target);
  }

  async landing() {
    const phone = { viewport: { width: 390, height: 800 } };
    const sizes = {};
    for (const [name, url, options] of [['landing', '/', {}], ['landing-dark', '/', { colorScheme: 'dark' }],
      ['landing-phone', '/', phone], ['landing-english-phone', '/en.html', phone]]) {
      const browser = await this.newContext(options);
      const page = await browser.newPage();
      const missing = [];
      page.on('response', (response) => { if (response.status() >= 400) missing.push(response.url()); });
      page.on('console', (message) => { if (message.type() === 'error') missing.push(message.text()); });
      await page.goto(this.stack.origin + url, { waitUntil: 'networkidle' });
      await this.shot(page, name);
      check(`${name}: nothing missing`, missing.join(' '), '');
      sizes[name] = await this.buttons(page, url === '/' ? 'fr' : 'en');
      check(`${name}: theme`, await page.getAttribute('html', 'data-fr-theme'), options.colorScheme ?? 'light');
      await browser.close();
    }
    for (const name in sizes) check(`${name}: the buttons are as large as on the first page`, sizes[name], sizes.landing);
  }

  // The rules of FranceConnect's qualification that a browser can measure. Returns the sizes.
  async buttons(page, language) {
    const links = await page.locator('main a[href*="/login"]').evaluateAll((all) => all.map((a) => a.getAttribute('href').split('/')[1]));
    check('order of the buttons', links.join(' '), 'franceconnect franceconnect-plus proconnect generic');
    const sizes = [];
    for (const [i, brand] of ['FranceConnect', 'FranceConnect+', 'ProConnect'].entries()) {
      const group = page.locator('.fr-connect-group').nth(i);
      const box = await group.locator('.fr-connect').boundingBox();
      check(`button ${i}: at least 209 x 56`, box.width >= 209 && box.height >= 56, true);
      check(`button ${i}: its link`, await group.locator('p a').textContent(), language === 'fr' ? `Qu’est-ce que ${brand} ?` : `What is ${brand}?`);
      sizes.push(`${Math.round(box.width)} x ${Math.round(box.height)}`);
    }
    return sizes.join(', ');
  }

  async journey(journey) {
    const { row, home, headers, greeting } = journey;
    const browser = await this.newContext();
    const page = await browser.newPage();
    await page.goto(this.stack.origin + '/');
    await page.click(`main a[href^="${home}login"]`);
    await this.login(page, journey, home, true);
    await this.shot(page, `${row}-logged-in`);
    for (const [name, value] of Object.entries(headers)) check(name, await header(page, name), value);
    check('the header beside a label', await page.locator('tr:has(td[data-header="x-email"]) th code').textContent(), 'x-email');
    check('who is logged in', await page.locator('.demo-status strong').textContent(), greeting);
    check('provider', await header(page, 'x-oidc-provider'), row);
    check('the application sees no cookie of the module', await header(page, 'cookie'), undefined);
    await this.cookies(browser, row);

    await page.click('#logout');
    await page.waitForURL(`${this.stack.origin}/logged-out.html`);
    await this.shot(page, `${row}-logged-out`);
    check('no cookie is left after logout', (await this.ours(browser)).map((c) => c.name).join(' '), '');
    await page.goto(this.stack.origin + home);
    await this.atProvider(page, row);
    await browser.close();
  }

  async ours(browser) {
    return (await browser.cookies(this.stack.origin)).filter((cookie) => cookie.name.includes('OIDC'));
  }

  // The session, and the short-lived count of logins that stops a browser which drops it.
  async cookies(browser, row) {
    const all = await this.ours(browser);
    const prefix = this.stack.tls ? '__Host-' : '';
    const name = `${prefix}NGX_OIDC_SESSION_${row}`;
    check('the cookies after the login', all.map((c) => c.name).sort().join(' '), [`${prefix}NGX_OIDC_ROUNDS_${row}`, name].sort().join(' '));
    for (const cookie of all) {
      check(`${cookie.name}: HttpOnly, SameSite, Secure, Path`, [cookie.httpOnly, cookie.sameSite, cookie.secure, cookie.path].join(' '),
        `true Lax ${this.stack.tls} /`);
      const life = cookie.expires - Date.now() / 1000;
      check(`${cookie.name}: ends with the browser, or soon`, cookie.name === name ? cookie.expires === -1 : life > 0 && life < 600, true);
    }
  }

  async deepLink(journey) {
    const target = `${journey.home}page?a=1&b=%C3%A9`;
    const browser = await this.newContext();
    const page = await browser.newPage();
    await page.goto(this.stack.origin + target);
    await this.login(page, journey, target);
    check('the page asked for', pathOf(page), target);
    check('what the application saw', await page.locator('#requested').textContent(), target);
    await browser.close();
  }

  // Two tabs start before either ends; the second ends first.
  async twoTabs(journey) {
    const browser = await this.newContext();
    const [one, two] = [await browser.newPage(), await browser.newPage()];
    await one.goto(`${this.stack.origin}${journey.home}one`);
    await two.goto(`${this.stack.origin}${journey.home}two`);
    await this.login(two, journey, `${journey.home}two`);
    await this.login(one, journey, `${journey.home}one`);
    for (const [page, name] of [[one, 'one'], [two, 'two']]) {
      check(`tab ${name}`, await page.locator('#requested').textContent(), journey.home + name);
    }
    await browser.close();
  }

  // A citizen's session and a civil servant's in one browser: each its own, and a logout ends the one it is asked for.
  async twoProviders(citizen, agent) {
    const browser = await this.newContext();
    const page = await browser.newPage();
    const subjects = [];
    for (const journey of [citizen, agent]) {
      await page.goto(this.stack.origin + journey.home);
      await this.login(page, journey, journey.home);
      subjects.push(await header(page, 'x-sub'));
    }
    check('two persons', new Set(subjects).size, 2);
    for (const [i, journey] of [citizen, agent].entries()) {
      await page.goto(this.stack.origin + journey.home);
      check(`${journey.row} beside the other`, [await header(page, 'x-oidc-provider'), await header(page, 'x-sub')].join(' '), `${journey.row} ${subjects[i]}`);
    }
    check('two sessions', (await this.sessions(browser)).length, 2);
    await page.goto(this.stack.origin + citizen.home);
    await page.click('#logout');
    await page.waitForURL(`${this.stack.origin}/logged-out.html`);
    check('one session is left', (await this.sessions(browser)).map((cookie) => cookie.name.split('_SESSION_')[1]).join(' '), agent.row);
    await page.goto(this.stack.origin + agent.home);
    await this.shot(page, 'two-providers-one-left');
    check('... and serves', [await header(page, 'x-oidc-provider'), await header(page, 'x-sub')].join(' '), `${agent.row} ${subjects[1]}`);
    await page.goto(this.stack.origin + citizen.home);
    await this.atProvider(page, citizen.row);
    await browser.close();
  }

  async sessions(browser) {
    return (await this.ours(browser)).filter((cookie) => cookie.name.includes('SESSION'));
  }

  // The person goes back at the provider: a calm page, from which the login can be tried again. `where`: the module's page or the application's.
  async cancelled(journey, where, options = {}) {
    const target = `${journey.home}page?a=1`;
    const browser = await this.newContext(options);
    const page = await browser.newPage();
    await page.goto(this.stack.origin + target);
    await page.click('#back-to-service');
    await page.waitForURL(`${this.stack.origin}/**`);
    await this.shot(page, `${journey.row}-cancelled${options.colorScheme ? '-dark-phone' : ''}`);
    check('the page says so', await page.locator('h1').textContent(), where.title);
    check('what it holds is as wide as the window', await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true);
    check('it does not frighten', /erreur|incident|échou/i.test(await page.locator('main').textContent()), false);
    check('no session', (await this.sessions(browser)).length, 0);
    await page.getByRole('link', { name: where.retry, exact: true }).click();
    await this.login(page, journey, target);
    check('tried again: the page asked for', pathOf(page), target);
    await browser.close();
  }

  // From a session of eidas2 to a page that demands eidas3: the same person, another session, the old one spent.
  async stepUp(journey) {
    const target = '/franceconnect-plus/coordonnees-bancaires';
    const browser = await this.newContext();
    const page = await browser.newPage();
    await page.goto(this.stack.origin + journey.home);
    await this.login(page, journey, journey.home);
    const [before] = await this.sessions(browser);
    await page.click('#step-up');
    await this.atProvider(page, journey.row);
    check('the level asked for', await page.inputValue('#acr'), 'eidas3');
    await page.click('#back-to-service');
    await page.waitForURL(`${this.stack.origin}/**`);
    await this.shot(page, 'step-up-cancelled');
    check('gone back: the page says so', await page.locator('h1').textContent(), CALM.title);
    await page.goto(this.stack.origin + journey.home);
    check('... and the session is as it was', [await header(page, 'x-oidc-acr'), (await this.sessions(browser))[0].value].join(' '), `eidas2 ${before.value}`);

    await page.click('#step-up');
    await this.atProvider(page, journey.row);
    await chooseIdentity(page, 'angela');
    await page.click('#accept');
    await page.waitForURL(`${this.stack.origin}/**`);
    await this.shot(page, 'step-up-other-person');
    check('another person: told so', await page.locator('h1').textContent(), 'Une autre personne a répondu');
    check('... and the session is as it was', (await this.sessions(browser))[0].value, before.value);
    await page.goto(this.stack.origin + journey.home);
    await page.click('#step-up');
    await this.login(page, journey, target, true);
    await this.shot(page, 'step-up-done');
    check('the level', await header(page, 'x-oidc-acr'), 'eidas3');
    const [after] = await this.sessions(browser);
    check('the session has another identifier', after.value !== before.value, true);
    await page.goto(this.stack.origin + journey.home);
    check('the rest of the site has the higher level too', await header(page, 'x-oidc-acr'), 'eidas3');
    await browser.close();
  }

  // API Particulier: further scopes, FranceConnect's consent, the data.
  async data(journey) {
    const browser = await this.newContext();
    const page = await browser.newPage();
    const sent = [];
    page.on('request', (request) => { if (request.headers().authorization) sent.push(request.url()); });
    await page.goto(this.stack.origin + journey.home);
    await this.login(page, journey, journey.home);
    const sub = await header(page, 'x-sub');
    await page.click('#data-page');
    await page.waitForURL(`${this.stack.origin}/franceconnect/donnees`);
    await this.shot(page, 'data-page');
    const button = page.locator('.fr-connect');
    check('the button', (await button.textContent()).replace(/\s+/g, ' ').trim(), 'Récupérer ses données avec FranceConnect');
    await button.click();
    await this.atProvider(page, journey.row);
    await this.shot(page, 'data-consent');
    check('nobody has to log in again', await page.locator('#submit').count(), 0);
    check('what is asked for', await page.locator('#data li').count(), 2);
    await page.click('#accept');
    await page.waitForURL(`${this.stack.origin}/franceconnect/quotient-familial`);
    await page.locator('#data table').waitFor();
    await this.shot(page, 'data-shown');
    check('the data', /^\d+$/.test(await page.locator('[data-name=valeur]').textContent()), true);
    check('of the same person', await header(page, 'x-sub'), sub);
    check('the browser never has the token', sent.join(' '), '');
    await browser.close();
  }

  // As the qualification asks: one character of the authorization URL is changed. No session; home page; logged out of FranceConnect.
  async tampered(journey, parameter) {
    const browser = await this.newContext();
    const page = await browser.newPage();
    // Somebody is logged in at the provider: that must not survive.
    await page.goto(this.stack.origin + journey.home);
    await this.login(page, journey, journey.home);
    await browser.clearCookies({ domain: 'demo.localhost' });
    const visited = [];
    page.on('request', (request) => { if (request.isNavigationRequest()) visited.push(new URL(request.url())); });
    await page.goto(this.stack.origin + journey.home);
    const url = visited.find(({ pathname }) => pathname === '/api/v2/authorize');
    const value = url.searchParams.get(parameter);
    url.searchParams.set(parameter, (value[0] === 'a' ? 'b' : 'a') + value.slice(1));
    await page.goto(url.href);
    await page.click('#accept');
    await page.waitForURL(`${this.stack.origin}/`);
    await this.shot(page, `tampered-${parameter}`);
    check(`${parameter}: the home page`, await page.locator('h1').textContent(), 'Se connecter au service de démonstration');
    check(`${parameter}: no session`, (await this.sessions(browser)).length, 0);
    if (parameter === 'nonce') {
      check('the provider logged the person out', visited.some(({ pathname }) => pathname === '/api/v2/session/end'), true);
      await page.goto(this.stack.origin + journey.home);
      check('... who has to log in there again', await page.locator('#submit').count(), 1);
    }
    await browser.close();
  }

  // A link to the logout on another site: the module asks.
  async foreignLogout(journey) {
    const browser = await this.newContext();
    const page = await browser.newPage();
    await page.goto(this.stack.origin + journey.home);
    await this.login(page, journey, journey.home);
    await page.goto(`${this.stack.providers.generic}/healthz`);
    await page.evaluate((to) => { window.location.href = to; }, `${this.stack.origin}${journey.home}logout`);
    await page.waitForURL(`${this.stack.origin}/**`);
    await this.shot(page, 'logout-asked');
    check('the page asks', await page.locator('h1').textContent(), 'Voulez-vous vous déconnecter\u00a0?');
    check('the session is there', (await this.sessions(browser)).length, 1);
    await page.getByRole('button', { name: 'Se déconnecter' }).click();
    await page.waitForURL(`${this.stack.origin}/logged-out.html`);
    check('... until the person says so', (await this.sessions(browser)).length, 0);
    await browser.close();
  }

  log() {
    const lines = readFileSync(path.join(this.stack.dir, 'log', 'error.log'), 'utf8').split('\n');
    check('nginx logged no error', lines.filter((line) => /\[(emerg|alert|crit|error)\]/.test(line)).join('\n'), '');
  }
}

// Chromium takes further authorities from the NSS database of its user.
function trust(home, ca) {
  const database = path.join(home, '.pki', 'nssdb');
  mkdirSync(database, { recursive: true });
  execFileSync('certutil', ['-d', `sql:${database}`, '-N', '--empty-password']);
  execFileSync('certutil', ['-d', `sql:${database}`, '-A', '-t', 'C,,', '-n', 'demonstration', '-i', ca]);
}

async function whole(tls) {
  const scheme = tls ? 'https' : 'http';
  const folder = path.join(output, scheme);
  mkdirSync(folder, { recursive: true });
  context = scheme;
  const stack = await start({ dir: path.join(output, `run-${scheme}`), tls, ports: await freePorts(portCount), quiet: true });
  stack.tls = tls;
  const home = path.join(output, `home-${scheme}`);
  trust(home, stack.ca);
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS, env: { ...process.env, HOME: home } });
  try {
    const run = new Run(stack, browser, folder);
    await step(`${scheme}: landing page`, () => run.landing());
    for (const journey of journeys) {
      await step(`${scheme}: ${journey.row}: login and logout`, () => run.journey(journey));
      await step(`${scheme}: ${journey.row}: deep link`, () => run.deepLink(journey));
    }
    const [fc, plus, pc, generic] = journeys;
    await step(`${scheme}: two tabs`, () => run.twoTabs(generic));
    await step(`${scheme}: two providers, out of one`, () => run.twoProviders(fc, pc));
    await step(`${scheme}: cancelled`, () => run.cancelled(fc, CALM));
    await step(`${scheme}: cancelled, dark, phone`, () => run.cancelled(fc, CALM, { colorScheme: 'dark', viewport: { width: 390, height: 800 } }));
    await step(`${scheme}: cancelled, the application's page`, () => run.cancelled(generic, { title: 'Vous avez interrompu la connexion', retry: 'Réessayer' }));
    await step(`${scheme}: step-up`, () => run.stepUp(plus));
    await step(`${scheme}: data of API Particulier`, () => run.data(fc));
    for (const parameter of ['nonce', 'state']) await step(`${scheme}: ${parameter} changed`, () => run.tampered(fc, parameter));
    await step(`${scheme}: a logout from another site`, () => run.foreignLogout(fc));
    await step(`${scheme}: log`, () => run.log());
  } finally {
    await browser.close();
    await stack.stop();
  }
}

rmSync(output, { recursive: true, force: true });
const schemes = process.argv.length > 2 ? process.argv.slice(2) : ['http', 'https'];
for (const tls of schemes.map((scheme) => scheme === 'https')) {
  try { await whole(tls); } catch (error) { check(error.message, 'failed', 'done'); }
}
console.log(`screenshots in ${schemes.map((scheme) => `${path.relative(process.cwd(), output)}/${scheme}`).join(' and ')}`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length ? 1 : 0);
