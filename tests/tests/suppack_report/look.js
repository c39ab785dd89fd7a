// What a person would stumble over on the page, as lists that should be empty.
(() => {
  const named = (element) => `${element.tagName.toLowerCase()}.${element.className?.baseVal ?? element.className} ${(element.textContent || '').slice(0, 50)}`;
  const scrolls = (element) => element.closest('.scroll') !== null;
  const all = [...document.body.querySelectorAll('*')].filter((element) => element.checkVisibility());

  // What sticks out of the window, but for what scrolls by itself and the link that shows up when it has the focus.
  const wide = all.filter((e) => !scrolls(e) && !e.matches('.skip') && e.getBoundingClientRect().right > innerWidth + 1).map(named);
  if (document.documentElement.scrollWidth > innerWidth) wide.push('the page scrolls sideways');

  // Text that is not within the box of its cell or line.
  const cut = all.filter((e) => !scrolls(e) && e.children.length === 0 && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1).map(named);

  // Headings skip no level.
  const levels = [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => Number(h.tagName[1]));
  const headings = levels.filter((level, at) => level > (at === 0 ? 1 : levels[at - 1] + 1));
  if (levels.filter((level) => level === 1).length !== 1) headings.push('not one h1');

  // Contrast by WCAG 2.1, 1.4.3.
  const parse = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      if (e instanceof SVGElement && e.tagName === 'g') {
        const rect = e.querySelector(':scope > rect');
        if (rect) return parse(getComputedStyle(rect).fill);
      }
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  let texts = 0;
  for (const element of all) {
    if (!(element instanceof HTMLElement || element.tagName === 'text')) continue;
    if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const seen = ratio(parse(element.tagName === 'text' ? style.fill : style.color), ground(element));
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (seen < (large ? 3 : 4.5)) faint.push(`${seen.toFixed(2)} ${named(element)}`);
  }

  // What is shown by shape or colour alone, or cannot be told apart by a reader of the screen.
  const nameless = [...document.querySelectorAll('[role=region], [role=img], nav, section')]
    .filter((e) => !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')).map(named);
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  const nowhere = [...document.querySelectorAll('a[href^="#"]')].filter((a) => !document.getElementById(a.hash.slice(1))).map(named);
  const unscrollable = [...document.querySelectorAll('.scroll')].filter((e) => e.tabIndex !== 0).map(named);

  return { faults: { wide, cut, headings, faint, nameless, twice, nowhere, unscrollable }, texts };
})()
