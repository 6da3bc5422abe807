// Asks on the company's own site which cookies may be used, remembers the answer and holds to it (docs/cookies.md).
((given) => {
"use strict";
if (window.cookieBanner === true) return; // not an element with that id
window.cookieBanner = true;

const words = given.words, page = document.documentElement;
const optional = given.categories.filter((one) => one.key !== "necessary");
const isGpc = navigator.globalPrivacyControl === true;
const now = () => Math.floor(Date.now() / 1000);
let kept = read(), banner, end;

// What is remembered: a first-party cookie, for a no as long as for a yes.

function read() {
  const found = document.cookie.split("; ").find((one) => one.startsWith(`${given.name}=`));
  const all = Object.fromEntries(new URLSearchParams(found ? found.slice(given.name.length + 1) : ""));
  const isWhole = /^[0-9a-f]{32}$/.test(all.id) && all.sequence > 0 && "allowed" in all;
  return isWhole && Math.abs(now() - all.at) < given.seconds ? all : null;
}

function write(choice) {
  const secure = location.protocol === "https:" ? "; Secure" : "", left_s = +choice.at + given.seconds - now();
  document.cookie = `${given.name}=${new URLSearchParams(choice)}; Max-Age=${left_s}; Path=/; SameSite=Lax${secure}`;
}

// What was answered last, if in another window.
function latest() {
  return read() || kept;
}

function mustAsk() {
  return !(kept && kept.tools === given.tools) && optional.length > 0;
}

function isAllowed(key, choice = kept) {
  return Boolean(choice) && choice.tools === given.tools && choice.allowed.split(" ").includes(key);
}

function decide(action, allowed, layer) {
  const ran = kept, before = latest();
  kept = {
    id: before ? before.id : newId(), sequence: before ? +before.sequence + 1 : 1, action, allowed: allowed.join(" "),
    layer, gpc: +isGpc, version: given.version, tools: given.tools, at: now(), sent: 0,
  };
  write(kept);
  const sending = send(kept), isWithdrawn = optional.some(({ key }) => isAllowed(key, ran) && !isAllowed(key));
  settle();
  if (action !== "gpc") end.shadowRoot.querySelector("[role=status]").textContent = words.saved;
  if (isWithdrawn) Promise.race([sending, new Promise((go) => setTimeout(go, 2000))]).then(() => location.reload());
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What could not be recorded now is sent again from the next page; twice is as good as once.
async function send({ tools, at, sent, ...choice }) {
  try {
    const answer = await fetch(given.to, {
      method: "POST", body: new URLSearchParams(choice), credentials: "omit", referrerPolicy: "no-referrer",
      keepalive: true,
    });
    const still = read();
    if (!still || still.sequence !== String(choice.sequence)) return;
    if (answer.ok) write(kept = { ...still, sent: 1 });
    if (answer.status === 409) write({ ...still, tools: "" }); // these words are not today's: the next page asks anew
  } catch { /* no connection */ }
}

// What follows from it.

function tellGoogle(command, say = (key) => isAllowed(key) ? "granted" : "denied") {
  const marketing = say("marketing");
  window.gtag("consent", command, {
    ad_storage: marketing, ad_user_data: marketing, ad_personalization: marketing, analytics_storage: say("statistics"),
  });
}

// Only where they are: Meta's own code would take a stand-in for itself and not load.
function tellOthers() {
  const mayTrack = isAllowed("marketing");
  if (window.fbq) window.fbq("consent", mayTrack ? "grant" : "revoke");
  if (window.vgo) window.vgo(...mayTrack ? ["process", "allowTracking"] : ["setTrackByDefault", false]);
}

function settle() {
  for (const category of optional) if (!isAllowed(category.key)) category.tools.forEach(clean);
  if (!mustAsk()) tellGoogle("update");
  document.querySelectorAll('script[type="text/plain"][data-cookies]').forEach(start);
  document.querySelectorAll("iframe[data-cookies][data-src]").forEach(embed);
  tellOthers();
  if (banner && !mustAsk()) close();
}

// What was answered in another tab, or on a page after this one, holds here too.
function look() {
  const newer = read();
  if (newer && optional.some(({ key }) => isAllowed(key) && !isAllowed(key, newer))) location.reload();
  else if (banner && newer && newer.tools === given.tools) {
    kept = newer;
    settle();
  }
}

function start(old) {
  if (!isAllowed(old.dataset.cookies)) return;
  const script = document.createElement("script");
  for (const { name, value } of old.attributes) if (!/^(type|nonce|data-cookies)$/.test(name)) script.setAttribute(name === "data-src" ? "src" : name, value);
  script.async = old.hasAttribute("async");
  script.nonce = old.nonce;
  script.text = old.text;
  old.replaceWith(script);
}

function embed(frame) {
  const stand = frame.previousElementSibling, category = optional.find((one) => one.key === frame.dataset.cookies);
  if (isAllowed(frame.dataset.cookies)) {
    if (frame.hidden) stand.remove();
    frame.hidden = false;
    frame.src = frame.dataset.src;
    frame.removeAttribute("data-src");
  } else if (!frame.hidden && category) {
    const { width, height } = frame.getBoundingClientRect(), { display, margin, verticalAlign } = getComputedStyle(frame);
    const button = make("button", { textContent: words.show, onclick: () => accept(category.key) });
    const here = shade(make("div", { className: "stand" }, make("p", {}, `${words.elsewhere} ${category.name}`), button));
    Object.assign(here.style, {
      width: `${width}px`, maxWidth: "100%", minHeight: `${height}px`, margin, verticalAlign,
      display: display === "inline" ? "inline-block" : display, overflow: "hidden", // stands on the line as a frame does
    });
    frame.before(here);
    frame.hidden = true;
  }
}

function accept(key) {
  decide("chosen", optional.map((one) => one.key).filter((one) => one === key || isAllowed(one, latest())), "embed");
}

// A tool's cookies and whatever else it left under these names, on this host and those above it.
function clean({ names }) {
  const isTheirs = (name) => names.some((one) => one.endsWith("*") ? name.startsWith(one.slice(0, -1)) : name === one);
  const hosts = location.hostname.split(".").map((_, at, parts) => parts.slice(at).join("."));
  for (const name of document.cookie.split("; ").map((one) => one.split("=")[0]).filter(isTheirs)) {
    for (const domain of ["", ...hosts.map((host) => `; Domain=${host}`)]) {
      document.cookie = `${name}=; Max-Age=0; Path=/${domain}`;
      document.cookie = `${name}=; Max-Age=0${domain}`;
    }
  }
  for (const place of ["localStorage", "sessionStorage"]) {
    try {
      Object.keys(window[place]).filter(isTheirs).forEach((name) => window[place].removeItem(name));
    } catch { /* the browser keeps nothing */ }
  }
}

// What is seen.

function make(tag, values, ...inside) {
  const one = Object.assign(document.createElement(tag), values);
  one.append(...inside);
  return one;
}

function shade(...inside) {
  const host = make("cookie-banner", { lang: given.lang });
  const shadow = host.attachShadow({ mode: "open" });
  shadow.adoptedStyleSheets = [sheet, colours];
  shadow.append(...inside);
  if (end) paint();
  return host;
}

// The site's own letters on its own ground; the browser's where those could not be read, as with a picture between them.
function paint() {
  const seen = (one, what) => getComputedStyle(one)[what], { body } = document;
  const places = [body, page, end.shadowRoot.querySelector("[role=status]")]; // the last one has the browser's ground
  let ground = places.map((one) => seen(one, "backgroundColor")).find((one) => luminance(one) >= 0), letters = seen(body, "color");
  const [darker, lighter] = [luminance(ground), luminance(letters)].sort((one, other) => one - other);
  if (!((lighter + 0.05) / (darker + 0.05) >= 4.5)) [ground, letters] = ["Canvas", "CanvasText"];
  colours.replaceSync(`:host { --ground: var(--consent-background, ${ground}); --letters: var(--consent-text, ${letters}); }`);
}

// By WCAG; not a number for what is no plain colour.
function luminance(colour) {
  const found = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(colour) || [];
  const [red, green, blue] = [1, 2, 3].map((at) => found[at] / 255).map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function answers(layer) {
  const all = optional.map((one) => one.key);
  return [
    make("button", { textContent: words.all, onclick: () => decide("all", all, layer) }),
    make("button", { textContent: words.necessary, onclick: () => decide("necessary", [], layer) }),
  ];
}

function more() {
  return make("a", { href: given.page, textContent: words.more });
}

function ask() {
  const choose = make("button", { className: "plain", textContent: words.choose, onclick: settings });
  banner = shade(make("section", { className: "banner", ariaLabel: words.title },
    make("div", { className: "inside" },
      make("h2", { textContent: words.title }), make("p", {}, words.ask),
      make("div", { className: "pair" }, ...answers("first")), make("p", { className: "ways" }, choose, more()))));
  document.body.prepend(banner);
  new ResizeObserver(() => room(banner ? banner.shadowRoot.firstChild.offsetHeight : 0)).observe(banner.shadowRoot.firstChild);
}

// What lies under the banner can be scrolled out from under it, also by the keyboard.
function room(height) {
  page.style.scrollPaddingBottom = end.style.marginBottom = height ? `${height}px` : "";
}

function close() {
  banner.remove();
  banner = null;
  room(0);
}

function settings() {
  const boxes = {}, dialog = make("dialog", { ariaLabel: words.settings });
  const save = make("button", { textContent: words.save });
  save.onclick = () => decide("chosen", Object.keys(boxes).filter((key) => boxes[key].checked), "settings");
  const buttons = optional.length ? [...answers("settings"), save] : [];
  for (const button of buttons) button.addEventListener("click", () => dialog.close());
  dialog.append(make("h2", { textContent: words.settings }), make("p", {}, words.lasts),
    ...given.categories.map((one) => category(one, boxes)), ...number(), make("div", { className: "pair" }, ...buttons),
    make("p", { className: "ways" }, more(), make("button", { className: "plain", textContent: words.close, onclick: () => dialog.close() })));
  const host = shade(dialog);
  dialog.onclose = () => host.remove();
  document.body.append(host);
  dialog.showModal();
}

function category({ key, name, says, tools }, boxes) {
  const isNeeded = key === "necessary";
  const box = make("input", { type: "checkbox", checked: isNeeded || isAllowed(key, latest()), disabled: isNeeded });
  if (!isNeeded) boxes[key] = box;
  const told = tools.map((tool) => make("div", {}, make("h4", { textContent: tool.name }), make("p", {}, tool.purpose),
    make("ul", {}, ...tool.facts.map((fact) => make("li", {}, fact)))));
  return make("div", { className: "category" }, make("h3", {}, make("label", {}, box, name)), make("p", {}, says),
    make("details", {}, make("summary", { ariaLabel: `${words.tools}: ${name}` }, words.tools), ...told));
}

function number() {
  if (!kept) return [];
  const shown = make("input", { readOnly: true, value: kept.id, onfocus: () => shown.select() });
  return [make("label", { className: "number" }, words.id, shown)];
}

const sheet = new CSSStyleSheet(), colours = new CSSStyleSheet();
// On the accent words are black or white, by the accent's luminance (y), whichever is read better.
sheet.replaceSync(`
:host { all: initial; display: block; color-scheme: inherit; --accent: var(--consent-accent, ${given.accent});
  --line: color-mix(in srgb, var(--letters) 60%, var(--ground)); --radius: var(--consent-radius, 0.5rem);
  color: var(--letters); font-family: var(--consent-font, inherit); font-size: max(1rem, 16px); line-height: 1.5; }
:host([hidden]) { display: none; }
*, ::before { box-sizing: border-box; overflow-wrap: anywhere; }
.banner, dialog, .stand, .end { letter-spacing: normal; word-spacing: normal; text-transform: none; }
.banner { position: fixed; inset: auto 0 0; z-index: 2147483000; max-height: 75vh; overflow: auto; background: var(--ground);
  border-top: 1px solid var(--line); box-shadow: 0 -0.25rem 1.5rem rgb(0 0 0 / 12%); }
.inside { max-width: 44em; margin: auto; padding: min(1em, 5vw); }
h2, h3, h4, p, ul { margin: 0 0 .5em; } h2 { font-size: 1.2em; line-height: 1.3; } h3, h4 { font-size: 1em; }
p, ul { max-width: 65ch; } ul { padding-left: 1.2em; }
.pair { display: grid; grid-auto-rows: 1fr; grid-template-columns: repeat(auto-fit, minmax(min(8.5em, 100%), 1fr)); gap: .75em; margin: .75em 0 .5em; }
.pair button { font-size: clamp(.85em, 4.2vw, 1em); }
.ways { display: flex; flex-wrap: wrap; gap: 0 1.5em; align-items: center; margin: 0; }
button { font: inherit; font-weight: 600; line-height: 1.25; min-height: 48px; min-width: 0; padding: .5em .2em; cursor: pointer;
  color: #fff; background: var(--accent); border: 2px solid color-mix(in srgb, var(--accent) 60%, var(--letters)); border-radius: var(--radius); }
@supports (color: color(from red xyz-d65 x y z)) {
  button { color: color(from var(--accent) xyz-d65 clamp(0, (0.179 - y) * 1e6, 0.9505)
    clamp(0, (0.179 - y) * 1e6, 1) clamp(0, (0.179 - y) * 1e6, 1.089)); }
}
.plain { color: inherit; background: none; border-color: transparent; padding: 0; text-decoration: underline; }
.end { text-align: center; padding: .25em; } a { color: inherit; padding: .6em 0; }
:focus-visible { outline: 3px solid var(--letters); outline-offset: 2px; } .end .plain { outline-color: currentColor; }
dialog { color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: var(--radius);
  width: min(44em, calc(100vw - 1em)); max-width: none; max-height: calc(100vh - 1em); padding: 1em; overflow: auto; }
dialog::backdrop { background: rgb(0 0 0 / 45%); }
.category { border-top: 1px solid var(--line); padding: .75em 0; }
label { display: flex; gap: .75em; align-items: center; min-height: 44px; } .number { display: block; }
input[type=checkbox] { width: 1.5em; height: 1.5em; flex: none; margin: 0; accent-color: var(--accent); }
input:read-only:not([type=checkbox]) { font: inherit; color: inherit; background: none; width: 100%; min-height: 44px; border: 1px solid var(--line); padding: .25em .5em; }
summary { cursor: pointer; min-height: 44px; align-content: center; } h4 { margin-top: .75em; }
.stand { display: grid; place-content: center; gap: .5em; height: 100%; min-height: inherit; padding: 1em; border: 1px solid var(--line); background: var(--ground); }
[role=status] { background: Canvas; position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media print { :host { display: none; } }`);

// It begins.

window.dataLayer = window.dataLayer || [];
window.gtag = window.gtag || function () { window.dataLayer.push(arguments); };
tellGoogle("default", () => "denied");
if (!isAllowed("marketing")) tellOthers();

function begin() {
  end = shade(make("p", { role: "status" }));
  if (!document.querySelector("[data-cookie-settings]")) {
    end.shadowRoot.append(make("div", { className: "end" }, make("button", { className: "plain", textContent: words.settings, onclick: settings })));
  }
  Object.assign(end.style, { color: "inherit", font: "inherit" }); // a line of the site's own page
  document.body.append(end);
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-cookie-settings]")) { event.preventDefault(); settings(); }
  });
  addEventListener("pageshow", look);
  document.addEventListener("visibilitychange", look);
  if (!mustAsk()) {
    if (kept && kept.sent !== "1") send(kept);
    settle();
  } else if (isGpc) decide("gpc", [], "first");
  else { ask(); settle(); }
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
})({{ given|tojson }});
