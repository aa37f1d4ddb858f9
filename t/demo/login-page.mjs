// The pages of conf-examples/login/ in a headless Chromium, against FranceConnect's rules for its button: measured, in both themes, on a
// phone and on a desk. Arguments: the site's origin, a folder for screenshots. Prints TAP; t/login_page.t starts nginx and this.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

const [origin, folder] = process.argv.slice(2);
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

const FC = { size: [209, 56], gap: 8, label: 'S\'identifier avec FranceConnect', to: 'https://franceconnect.gouv.fr/', about: 'Qu\'est-ce que FranceConnect ?' };
const PC = { ...FC, label: 'S\'identifier avec ProConnect', to: 'https://proconnect.gouv.fr/', about: 'Qu\'est-ce que ProConnect ?' };
const FCP = { ...FC, size: [245, 56], gap: 12, label: 'S\'identifier avec FranceConnect+', to: 'https://franceconnect.gouv.fr/france-connect-plus',
  about: 'Qu\'est-ce que FranceConnect+ ?' };
const DATA = { ...FC, label: 'Récupérer ses données avec FranceConnect' };
const SAYS = 'FranceConnect est la solution proposée par l\'État pour sécuriser et simplifier la connexion à vos services en ligne.';
const SAYS_PLUS = 'FranceConnect+ est la solution proposée par l\'État, pour renforcer la sécurité de vos services en ligne les plus sensibles.';
const pages = [
  { name: 'index', url: '/account/page?x=1', says: SAYS, or: 'OU', sections: { Connexion: [FC, PC], Inscription: [FC] } },
  { name: 'en', url: '/login/en.html', says: 'FranceConnect is the State\'s solution to make logging in to your online services safer and simpler.', or: 'OR',
    sections: { 'Log in': [{ ...FC, about: 'What is FranceConnect?' }, { ...PC, about: 'What is ProConnect?' }],
      'Sign up': [{ ...FC, about: 'What is FranceConnect?' }] } },
  { name: 'franceconnect-plus', url: '/login/franceconnect-plus.html', says: SAYS_PLUS, or: 'OU', sections: { Connexion: [FCP], Inscription: [FCP] } },
  { name: 'donnees', url: '/login/donnees.html', says: SAYS, or: 'OU', sections: { 'Récupération des données': [DATA] } },
];

let count = 0;
let context = '';
let failed = 0;
function ok(good, what, found = '') {
  count += 1;
  if (!good) failed += 1;
  console.log(`${good ? 'ok' : 'not ok'} ${count} - ${context}: ${what}${good ? '' : ` (found ${found})`}`);
}
const is = (found, expected, what) => ok(found === expected, what, JSON.stringify(found));

// WCAG's contrast of two colours as getComputedStyle writes them.
const luminance = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
function contrast(one, two) {
  const [low, high] = [luminance(one), luminance(two)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
const styleOf = (locator) => locator.evaluate((element) => {
  const { color, backgroundColor, outlineStyle, outlineWidth, outlineColor, textDecorationLine, textDecorationThickness, cursor } = getComputedStyle(element);
  let ground = element.parentElement;
  while (ground.parentElement && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
  return { color, backgroundColor, outlineStyle, outlineWidth: parseFloat(outlineWidth), outlineColor, textDecorationLine, textDecorationThickness, cursor,
    ground: getComputedStyle(ground).backgroundColor };
});
const box = (locator) => locator.evaluate((element) => {
  const { left, top, right, bottom, width, height } = element.getBoundingClientRect();
  return { left, top, right, bottom, width, height };
});

// The states of a button: static, under the pointer, pressed, with the keyboard's focus.
async function states(page, button, shot) {
  const still = await styleOf(button);
  await button.hover();
  const hover = await styleOf(button);
  if (shot) await shot('hover');
  await button.evaluate((element) => element.addEventListener('click', (event) => event.preventDefault(), { once: true }));
  await page.mouse.down();
  const pressed = await styleOf(button);
  await page.mouse.up();
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 20 && !(await button.evaluate((element) => element === document.activeElement)); i += 1) await page.keyboard.press('Tab');
  const focused = await styleOf(button);
  if (shot) await shot('focus');
  await page.evaluate(() => document.activeElement.blur());
  ok(hover.backgroundColor !== still.backgroundColor, 'the background changes under the pointer', hover.backgroundColor);
  ok(![still.backgroundColor, hover.backgroundColor].includes(pressed.backgroundColor), '... and when pressed', pressed.backgroundColor);
  ok(focused.outlineStyle === 'solid' && focused.outlineWidth >= 2, 'an outline with the focus', `${focused.outlineStyle} ${focused.outlineWidth}`);
  is(still.outlineStyle, 'none', '... and none without');
  ok(contrast(focused.outlineColor, focused.ground) >= 3, '... which shows', `${contrast(focused.outlineColor, focused.ground)} : 1`);
  for (const [state, { color, backgroundColor }] of Object.entries({ static: still, hover, pressed, focused })) {
    ok(contrast(color, backgroundColor) >= 4.5, `contrast, ${state}`, `${contrast(color, backgroundColor)} : 1`);
  }
  return still;
}

async function about(page, link, expected) {
  is(await link.textContent(), expected.about, 'the link\'s words');
  is(await link.evaluate((element) => element.href), expected.to, '... address');
  ok((await link.getAttribute('title')).startsWith(expected.about), '... title, that tells of the new window', await link.getAttribute('title'));
  is(await link.getAttribute('rel'), 'noopener', '... rel');
  const style = await styleOf(link);
  const text = await styleOf(page.locator('section p').first());
  ok(style.color !== text.color, '... a link\'s colour', style.color);
  is(style.textDecorationLine, 'underline', '... underlined');
  is(style.cursor, 'pointer', '... a link\'s pointer');
  ok(contrast(style.color, style.ground) >= 4.5, '... contrast', `${contrast(style.color, style.ground)} : 1`);
  await link.hover();
  ok((await styleOf(link)).textDecorationThickness !== style.textDecorationThickness, '... changes under the pointer', style.textDecorationThickness);
}

async function connect(page, group, expected, shot) {
  const [button, link] = [group.locator('a').nth(0), group.locator('a').nth(1)];
  const [width, height] = expected.size;
  const [outer, under] = [await box(button), await box(link)];
  is((await button.textContent()).replace(/\s+/g, ' '), expected.label, 'label');
  ok(Math.abs(outer.width / outer.height / (width / height) - 1) < 0.005, `in proportion to ${width} x ${height}`, `${outer.width} x ${outer.height}`);
  if (expected === DATA) ok(outer.width > width, 'larger', outer.width);
  else is(`${outer.width} x ${outer.height}`, `${width} x ${height}`, 'size');
  is(under.top - outer.bottom, expected.gap, 'pixels between the button and its link');
  is(under.left, outer.left, 'the link stands under the button');
  for (const line of await button.locator('span, strong').all()) {
    const words = await box(line);
    ok(words.left >= outer.left + 0.25 * outer.width && words.right <= outer.right - 4 && words.top >= outer.top + 2 && words.bottom <= outer.bottom - 2,
      `"${await line.textContent()}" is inside`, JSON.stringify(words));
  }
  const mark = await button.evaluate((element) => getComputedStyle(element, '::before').backgroundImage);
  ok(mark.includes(expected.label.includes('ProConnect') ? '/proconnect.svg' : '/franceconnect.svg'), 'mark', mark);
  ok((await button.getAttribute('href')).includes('/login?return='), 'it leads to a login', await button.getAttribute('href'));
  await states(page, button, shot);
  await about(page, link, expected);
}

async function section(page, area, title, says, or, expected, shot) {
  is(await area.locator('h2').textContent(), title, 'a section');
  const groups = await area.locator('.connect').all();
  is(groups.length, expected.length, 'its buttons');
  const first = await box(groups[0]);
  const sentence = area.getByText(says, { exact: true });
  is(await sentence.count(), 1, 'the explanatory sentence');
  ok((await box(sentence)).bottom <= first.top, '... above the button', first.top);
  const others = await area.locator('a').evaluateAll((all) => all.slice(2).map((a) => a.getBoundingClientRect().top));
  const lines = await area.locator('.or').all();
  ok(others.length > 0 && others.every((top) => top > first.bottom), 'FranceConnect is above every other way', others.join(' '));
  is(lines.length, groups.length, 'a separation after each button');
  for (const line of lines) is((await line.innerText()).trim(), or, '... in words');
  const separation = await box(lines[0]);
  ok(separation.top >= first.bottom && separation.bottom <= Math.min(...others), '... which stands between', separation.top);
  const drawn = await lines[0].evaluate((element) => parseFloat(getComputedStyle(element, '::before').width));
  ok(drawn > 50, '... with a line', drawn);
  for (const [i, group] of groups.entries()) {
    context = `${context.split(', ').slice(0, 3).join(', ')}, ${title} ${i + 1}`;
    await connect(page, group, expected[i], shot && i === 0 ? shot : undefined);
  }
}

async function visit(browser, { name, url, says, or, sections }, width, colorScheme) {
  context = `${name}, ${width}, ${colorScheme}`;
  const view = await browser.newContext({ viewport: { width, height: 800 }, colorScheme, locale: 'fr-FR', ignoreHTTPSErrors: true });
  view.setDefaultTimeout(5000);
  const page = await view.newPage();
  const [asked, problems] = [[], []];
  page.on('request', (request) => asked.push(request.url()));
  page.on('response', (response) => { if (response.status() >= 400 && !response.url().includes('/account/')) problems.push(response.url()); });
  await page.goto(origin + url, { waitUntil: 'networkidle' });
  const shot = (state) => page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}${state ? `-${state}` : ''}.png`), fullPage: true });
  await shot('');
  is(await page.getAttribute('html', 'lang'), name === 'en' ? 'en' : 'fr', 'language');
  is((await page.locator('h1').all()).length, 1, 'one first heading');
  is(await page.locator('script').count(), 0, 'no script');
  is(await page.evaluate(() => document.documentElement.scrollWidth), width, 'nothing to scroll sideways');
  const dark = luminance(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) < 0.1;
  is(dark, colorScheme === 'dark', 'theme');
  const body = page.locator('main p').first();
  const { color, ground } = await styleOf(body);
  ok(contrast(color, ground) >= 4.5, 'contrast of the text', `${contrast(color, ground)} : 1`);
  const areas = await page.locator('section').all();
  is(areas.length, Object.keys(sections).length, 'sections');
  for (const [i, [title, expected]] of Object.entries(sections).entries()) {
    context = `${name}, ${width}, ${colorScheme}, ${title}`;
    await section(page, areas[i], title, says, or, expected, i === 0 && name !== 'en' ? shot : undefined);
  }
  context = `${name}, ${width}, ${colorScheme}`;
  const away = await page.locator('a').evaluateAll((all) => all.map((a) => a.host));
  const allowed = [new URL(origin).host, 'franceconnect.gouv.fr', 'proconnect.gouv.fr'];
  is(away.filter((host) => !allowed.includes(host)).join(' '), '', 'no link to anyone else');
  is(asked.filter((address) => !address.startsWith(`${origin}/`) && !address.startsWith('data:')).join(' '), '', 'no request leaves the site');
  ok(asked.length >= 3, '... and there are some', asked.length);
  is(problems.join(' '), '', 'nothing is missing');
  await view.close();
}

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
try {
  for (const page of pages) {
    for (const width of [360, 1280]) {
      for (const colorScheme of ['light', 'dark']) {
        try { await visit(browser, page, width, colorScheme); } catch (error) { ok(false, 'measured', String(error.message).split('\n')[0]); }
      }
    }
  }
} finally {
  await browser.close();
}
console.log(`1..${count}`);
process.exit(failed ? 1 : 0);
