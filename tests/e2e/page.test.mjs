// The HTML report in a real Chromium: it needs nothing from outside, runs without scripts, can be
// read and walked through with a keyboard, and passes the checks of axe-core in every width, in light
// and dark. Needs no cluster:
//   node --test tests/e2e/page.test.mjs        (EDCERT_SCREENSHOTS=DIR keeps pictures of the pages)
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {chromium} from 'playwright-core';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const sample = path.join(process.env.EDCERT_BUILD ?? path.join(root, 'build/dev'),
    'tests/render_sample');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edcert-page-'));
const screenshots = process.env.EDCERT_SCREENSHOTS;

let browser;
before(async () => {
  browser = await chromium.launch({executablePath: '/usr/bin/chromium', headless: true, args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync']});
});
after(async () => {
  await browser?.close();
  fs.rmSync(folder, {recursive: true});
});

function render(name, ...options) {
  const file = path.join(folder, `${name}.html`);
  execFileSync(sample, ['html', '--out', file, ...options], {cwd: root});
  return pathToFileURL(file).href;
}

const DISTRICT = ['--findings', '60'];
const HOSTILE = ['--hostile', 'common/render/testdata/hostile.txt', '--everywhere',
  '</script></style>"\'><img src=x onerror=alert(1)><script>alert(1)</script>'];

// Opens a page; whatever it says or asks for besides itself is noted.
async function open(url, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  const page = await context.newPage();
  const noted = [];
  page.on('console', (message) => noted.push(message.text()));
  page.on('pageerror', (error) => noted.push(String(error)));
  page.on('dialog', (dialog) => { noted.push(dialog.message()); dialog.dismiss(); });
  page.on('request', (request) => { if (request.url() !== url) noted.push(request.url()); });
  await page.goto(url);
  return {context, page, noted};
}

async function shoot(page, name) {
  if (screenshots) {
    await page.screenshot({path: path.join(screenshots, `${name}.png`), fullPage: true});
  }
}

// What axe-core finds wrong. It is a script, which the page does not admit: so it runs in a copy of
// the page whose policy is lifted, and everything else is as it is.
async function violations(url, options) {
  const {context, page} = await open(url, {bypassCSP: true, ...options});
  await page.evaluate(() => document.querySelectorAll('details').forEach((each) => {
    each.open = true;
  }));
  await page.addScriptTag({content: axe});
  const {violations: found, incomplete} = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}));
  await context.close();
  const told = (each) => `${each.id}: ${each.nodes[0].html} ${each.nodes[0].failureSummary ?? ''}`;
  // What is scrolled out of a narrow table has no colours to look at; it has the same when wide.
  const unclear = (options.viewport?.width ?? 1280) < 1280 ? [] :
    incomplete.filter(({id}) => id === 'color-contrast');
  return [...found, ...unclear].map(told);
}

test('the page loads nothing, says nothing and runs nothing', async () => {
  for (const [name, options] of [['district', DISTRICT], ['hostile', HOSTILE],
    ['clear', ['--findings', '0']]]) {
    const {context, page, noted} = await open(render(name, ...options));
    assert.deepEqual(noted, [], name);
    assert.equal(await page.locator('script, img, iframe, object, link, form').count(), 0);
    await shoot(page, name);
    await context.close();
  }
});

test('it is the same page without scripts', async () => {
  const url = render('district', ...DISTRICT);
  const texts = [];
  for (const javaScriptEnabled of [true, false]) {
    const {context, page} = await open(url, {javaScriptEnabled});
    texts.push(await page.locator('body').innerText());
    await context.close();
  }
  assert.equal(texts[0], texts[1]);
  assert.match(texts[0], /Findings by rule/);
});

test('axe-core finds nothing, wide and narrow, light and dark', async () => {
  for (const [name, options] of [['district', DISTRICT], ['hostile', HOSTILE],
    ['clear', ['--findings', '0']]]) {
    const url = render(name, ...options);
    for (const width of [1280, 390]) {
      for (const colorScheme of ['light', 'dark']) {
        assert.deepEqual(await violations(url, {viewport: {width, height: 900}, colorScheme}), [],
            `${name}, ${width} wide, ${colorScheme}`);
      }
    }
  }
});

// The contrast of two colours as the browser computed them.
function contrast(a, b) {
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\d.]+/g).map(Number).map((part) => {
      const value = part / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

test('bars stand out from the page and from each other, also in grey', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const {context, page} = await open(render('district', ...DISTRICT), {colorScheme});
    const seen = await page.evaluate(() => ({
      bars: Object.fromEntries(['fatal', 'special', 'warning', 'info'].map((key) =>
        [key, getComputedStyle(document.querySelector(`.f-${key}`)).fill])),
      panel: getComputedStyle(document.querySelector('.charts .panel')).backgroundColor}));
    for (const [key, color] of Object.entries(seen.bars)) {
      assert.ok(contrast(color, seen.panel) >= 3, `${key} ${colorScheme}`);
    }
    // Paper is light.
    const bars = Object.values(seen.bars);
    if (colorScheme === 'light') {
      bars.slice(1).forEach((bar, i) => assert.ok(contrast(bar, bars[i]) >= 1.3, `${bar} ${bars[i]}`));
    }
    await context.close();
  }
});

test('everything is reached with the keyboard, and the place is seen', async () => {
  const {context, page} = await open(render('district', ...DISTRICT));
  const reached = [];
  for (let i = 0; i < 200; ++i) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return null;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      return {tag: element.tagName, name: element.textContent.trim().slice(0, 40),
        outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        seen: box.width > 0 && box.height > 0 && box.top >= 0 && box.left >= 0};
    });
    if (!at) break;
    reached.push(at);
  }
  assert.equal(reached[0].name, 'Skip to the report');
  for (const each of reached) assert.ok(each.outline && each.seen, JSON.stringify(each));
  const links = await page.locator('a[href]:visible').count();
  const folds = await page.locator('summary:visible').count();
  assert.equal(reached.filter(({tag}) => tag === 'SUMMARY').length, folds);
  // The skip link is among the links, and is seen when it has the focus.
  assert.equal(reached.filter(({tag}) => tag === 'A').length, links);

  // Enter on the skip link leads to the report; Enter on a rule unfolds its records.
  await page.reload();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  const folded = await page.locator('details.rule').evaluateAll((all) =>
    all.findIndex((each) => !each.open));
  const rule = page.locator('details.rule').nth(folded);
  await rule.locator('summary').focus();
  const row = rule.locator('tbody tr').first();
  assert.equal(await row.isVisible(), false);
  await page.keyboard.press('Enter');
  assert.equal(await row.isVisible(), true);
  await context.close();
});

test('landmarks, headings and tables say what they are', async () => {
  const {context, page} = await open(render('district', ...DISTRICT));
  for (const role of ['banner', 'main', 'contentinfo', 'navigation']) {
    assert.equal(await page.getByRole(role).count(), 1, role);
  }
  assert.equal(await page.getByRole('heading', {level: 1}).count(), 1);
  const levels = await page.locator('h1,h2,h3').evaluateAll((all) =>
    all.map((each) => Number(each.tagName[1])));
  levels.forEach((level, i) => assert.ok(i === 0 || level <= levels[i - 1] + 1, `heading ${i}`));
  assert.equal(await page.locator('table:not(:has(caption))').count(), 0);
  assert.equal(await page.locator('th:not([scope])').count(), 0);
  assert.equal(await page.locator('html[lang=en]').count(), 1);
  // What a chart shows with bars it says with numbers.
  for (const chart of await page.locator('table.chart').all()) {
    for (const cells of await chart.locator('tbody tr').all()) {
      assert.match(await cells.locator('td.n').innerText(), /^[\d,]+$/);
    }
  }
  await context.close();
});

test('what was tested, on which version, and what is new is said', async () => {
  const {context, page} = await open(render('district', ...DISTRICT));
  const data = page.locator('#data');
  assert.match(await data.innerText(), /enrollment\s+District copy\s+41\s+124,030/);
  assert.match(await page.locator('#rules thead').innerText(), /Since last/);
  assert.ok(await page.locator('.new').count() > 0);
  await context.close();
});

test('nothing is wider than a small screen or a sheet of paper', async () => {
  const url = render('district', ...DISTRICT);
  const narrow = await open(url, {viewport: {width: 390, height: 800}});
  assert.ok(await narrow.page.evaluate(() => document.documentElement.scrollWidth) <= 390);
  await shoot(narrow.page, 'narrow');
  await narrow.context.close();
  const dark = await open(url, {colorScheme: 'dark'});
  await shoot(dark.page, 'dark');
  await dark.context.close();
  const paper = await open(url);
  await paper.page.emulateMedia({media: 'print'});
  // Print shows what the screen folds away.
  assert.equal(await paper.page.locator('details.rule').last().locator('tbody tr').first()
      .isVisible(), true);
  const file = path.join(screenshots ?? folder, 'print.pdf');
  await paper.page.pdf({path: file, format: 'Letter', printBackground: true});
  await paper.context.close();
});
