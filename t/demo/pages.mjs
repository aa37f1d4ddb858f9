// The module's own pages in a headless Chromium: in both themes, on a phone and on a desk, to be measured and looked at.
// Arguments: the site's origin, a folder for screenshots. Prints TAP; t/pages.t starts nginx and this.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

const [origin, folder] = process.argv.slice(2);
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

let count = 0;
let context = '';
let failed = 0;
function ok(good, what, found = '') {
  count += 1;
  if (!good) failed += 1;
  console.log(`${good ? 'ok' : 'not ok'} ${count} - ${context}: ${what}${good ? '' : ` (found ${found})`}`);
}

// WCAG's contrast of two colours as getComputedStyle writes them.
const luminance = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
function contrast(one, two) {
  const [low, high] = [luminance(one), luminance(two)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
const styleOf = (locator) => locator.evaluate((element) => {
  const { color, outlineStyle, outlineColor } = getComputedStyle(element);
  const transparent = (one) => getComputedStyle(one).backgroundColor === 'rgba(0, 0, 0, 0)';
  const ground = (one) => { while (one.parentElement && transparent(one)) one = one.parentElement; return getComputedStyle(one).backgroundColor; };
  const { width, height, left, right } = element.getBoundingClientRect();
  return { color, own: ground(element), behind: ground(element.parentElement), outlineStyle, outlineColor, width, height, left, right };
});

async function measure(page) {
  ok(await page.locator('h1').count() === 1, 'one h1');
  ok(await page.locator('main').count() === 1, 'one main');
  ok(await page.title() === await page.locator('h1').textContent(), 'the title is the h1\'s');
  ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');
  for (const element of await page.locator('h1, p, small').all()) {
    const { color, own } = await styleOf(element);
    ok(contrast(color, own) >= 4.5, `contrast of ${(await element.textContent()).slice(0, 20)}`, contrast(color, own));
  }
  for (const control of await page.locator('a, button').all()) {
    const name = (await control.textContent()).trim();
    await page.mouse.move(0, 0);
    const still = await styleOf(control);
    await control.hover();
    const hover = await styleOf(control);
    await page.mouse.move(0, 0);
    for (let i = 0; i < 10 && !(await control.evaluate((one) => one === document.activeElement)); i += 1) await page.keyboard.press('Tab');
    const focus = await styleOf(control);
    ok(still.height >= 40 && still.width >= 44, `${name}: large enough for a finger`, `${still.width} x ${still.height}`);
    ok(contrast(still.color, still.own) >= 4.5, `${name}: contrast`, contrast(still.color, still.own));
    ok(hover.own !== still.own && contrast(hover.color, hover.own) >= 4.5, `${name}: changes under the pointer`, contrast(hover.color, hover.own));
    ok(focus.outlineStyle === 'solid' && contrast(focus.outlineColor, focus.behind) >= 3, `${name}: shows the keyboard's focus`, focus.outlineStyle);
  }
  const boxes = await Promise.all((await page.locator('a, button').all()).map(styleOf));
  ok(new Set(boxes.map((box) => box.height)).size <= 1, 'the buttons have one height', boxes.map((box) => box.height));
}

// Every page, and how a person comes to it.
const pages = {
  cancelled: (page) => page.goto(`${origin}/fc/page?x=1`),
  failed: (page) => page.goto(`${origin}/pc/page`),
  unavailable: (page) => page.goto(`${origin}/down/page`),
  interrupted: (page) => page.goto(`${origin}/generic/callback?code=a&state=${'S'.repeat(43)}`),
  'bad-link': (page) => page.goto(`${origin}/login?return=//evil.localhost`),
  'not-confirmed': (page) => page.goto(`${origin}/logged_out?state=${'S'.repeat(43)}`),
  'confirm-logout': (page) => page.goto(`${origin}/op/logout`),
  'logged-out': async (page) => {
    await page.goto(`${origin}/op/page`);
    await page.goto(`${origin}/op/logout`);
    await page.click('button');  // to the provider, whatever the page's policy says of forms
    await page.waitForURL(`${origin}/generic/logged_out**`);
  },
};

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
const views = [[360, 'light', 'fr-FR'], [360, 'dark', 'en-GB'], [1280, 'light', 'en-GB'], [1280, 'dark', 'fr-FR']];
for (const [width, colorScheme, locale] of views) {
  const person = await browser.newContext({ viewport: { width, height: 780 }, colorScheme, locale, ignoreHTTPSErrors: true });
  person.setDefaultTimeout(10000);
  for (const [name, open] of Object.entries(pages)) {
    context = `${name}, ${width} px, ${colorScheme}, ${locale}`;
    const page = await person.newPage();
    const complaints = [];
    page.on('console', (message) => { if (/policy/i.test(message.text())) complaints.push(message.text()); });
    const shot = () => page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}-${locale.slice(0, 2)}.png`) });
    try {
      await open(page);
      ok(await page.getAttribute('html', 'lang') === locale.slice(0, 2), 'the language');
      await shot();
      await measure(page);
    } catch (error) {
      ok(false, String(error.message).split('\n')[0], page.url().split('?')[0]);
    }
    ok(complaints.length === 0, 'its policy forbids nothing that it does', complaints.join(' '));
    await page.close();
  }
  await person.close();
}
await browser.close();
console.log(`1..${count}`);
process.exit(failed ? 1 : 0);
