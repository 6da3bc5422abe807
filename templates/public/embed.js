// The newsletter's form on a web site of the company's own; docs/website.md says how it is put there. It sets no
// cookie, keeps nothing, and loads nothing but its words.
(() => {
  "use strict";

  const own = {{ own|tojson }};
  const script = document.currentScript;
  const LONGEST_WAIT_MS = 20000;

  // What is not said here comes from the site: its font, its letters' colour, its background. Whatever is read has the
  // site's own contrast; on the accent it is black or white, by the accent's luminance (y), whichever is read better.
  const STYLE = `
    :host { display: block; text-align: start; overflow-wrap: anywhere; color: var(--consent-text, inherit);
      background: var(--consent-background, transparent); font-family: var(--consent-font, inherit);
      --accent: var(--consent-accent, ${own.accent}); --radius: var(--consent-radius, 0.5rem); }
    * { box-sizing: border-box; }
    form, section { max-width: 32rem; }
    p, ol { margin: 0 0 1em; }
    ol { padding-left: 1.5em; }
    .field { margin: 0 0 1.25em; }
    .field > label { display: block; font-weight: 600; margin-bottom: 0.3em; }
    .field > input { width: 100%; min-height: 44px; padding: 0.5em 0.7em; font: inherit; color: inherit;
      background: transparent; border: 1px solid; border-radius: var(--radius); }
    .box { display: grid; grid-template-columns: 24px minmax(0, 1fr); gap: 0 0.75em; }
    .box > input { width: 24px; height: 24px; margin: 0; accent-color: var(--accent); }
    .small { font-size: 0.9em; margin-top: 0.4em; }
    .wrong { border-left: 4px solid #d93025; padding-left: 0.75em; }
    .error { margin-bottom: 0.4em; font-weight: 700; }
    .title { font-size: 1.2em; font-weight: 700; margin-bottom: 0.5em; }
    .unseen { position: absolute; left: -999rem; }
    a { display: inline-block; color: inherit; }
    button { min-height: 44px; margin: 0 0.75em 0.75em 0; padding: 0.6em 1.4em; font: inherit; font-weight: 600;
      cursor: pointer; color: inherit; background: transparent; border: 2px solid; border-radius: var(--radius); }
    .first { background: var(--accent); border-color: transparent; }
    .first > span { color: #fff; }
    @supports (color: color(from red xyz-d65 x y z)) {
      .first > span { color: color(from var(--accent) xyz-d65 clamp(0, (0.179 - y) * 1e6, 0.9505)
        clamp(0, (0.179 - y) * 1e6, 1) clamp(0, (0.179 - y) * 1e6, 1.089)); }
    }
    :focus-visible { outline: 3px solid; outline-offset: 2px; }
  `;

  {{ solve }}
  function make(tag, attributes = {}, ...inside) {
    const one = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) one.setAttribute(name, value);
    one.append(...inside.filter(Boolean));
    return one;
  }

  const ask = (url, how) => fetch(url, { credentials: "omit", signal: AbortSignal.timeout(LONGEST_WAIT_MS), ...how });

  function begin() {
    const places = [...document.querySelectorAll("[data-newsletter-form]")];
    if (places.length) return places.forEach(start);
    const place = make("div");
    if (document.body.contains(script)) script.after(place);
    else document.body.append(place);
    start(place);
  }

  async function start(place) {
    let form, sheet;
    try {
      form = await (await ask(own.form)).json();
      sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
    } catch {
      place.replaceChildren(make("a", { href: own.page }, own.title));
      console.warn(`Newsletter form: shown as a link only. Name ${location.origin} in CONSENT_ALLOWED_ORIGINS, and let ` +
        `this page's Content-Security-Policy connect to ${new URL(own.form).origin}.`);
      return;
    }
    if (place.shadowRoot || place.contains(document.activeElement)) return; // somebody writes into the plain form
    const plain = place.querySelector("form"), written = plain ? Object.fromEntries(new FormData(plain)) : {};
    const root = place.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    let isSending = false;

    function show(view, focus) {
      root.replaceChildren(view);
      if (focus) root.querySelector(focus).focus();
    }

    async function send(form, values) {
      if (isSending) return;
      isSending = true;
      const tell = (words) => { root.querySelector("[role=status]").textContent = words; };
      tell(form.sending);
      let said, proof = "", tries = 0;
      try {
        do {
          const body = new URLSearchParams({ ...values, proof, csrf_token: form.token });
          said = await (await ask(form.action, { method: "POST", headers: { Accept: "application/json" }, body })).json();
          if (said.moment) {
            tell(said.moment.words);
            proof = await solve(said.moment.task);
          }
        } while (said.moment && (tries += 1) < 3);
        if (said.moment) throw new Error("no end of tasks");
      } catch {
        said = { errors: { form: form.failed } };
      }
      isSending = false;
      if (!said.errors) return show(sent(form, values, said), "section");
      // New words: what was ticked was ticked for others.
      const kept = said.form ? { ...values, consent: "", tracking: "" } : values;
      show(asked(said.form || form, kept, said.errors), "[role=alert], [aria-invalid]");
    }

    function asked(form, values, errors) {
      const described = (name, hint) => ({
        "aria-describedby": [hint, errors[name] && `${name}-error`].filter(Boolean).join(" ") || null,
        "aria-invalid": errors[name] ? "true" : null,
      });
      const field = (name, kind, ...inside) => make("div", { class: errors[name] ? `${kind} wrong` : kind }, ...inside);
      const error = (name) => errors[name] && make("p", { id: `${name}-error`, class: "error" }, errors[name]);
      const label = (name, words) => make("label", { for: name }, words);
      const text = (name, type, autocomplete, longest) => field(name, "field", label(name, form[name]), error(name),
        make("input", { id: name, name, type, autocomplete, maxlength: longest, value: values[name] || "", required: "",
          ...described(name) }));
      const tick = (name, hint, ...words) => field(name, "field", error(name),
        make("div", { class: "box" },
          make("input", { id: name, name, type: "checkbox", value: "yes", checked: values[name] ? "" : null,
            required: name === "consent" ? "" : null, ...described(name, hint) }),
          label(name, form[name])),
        make("p", { id: hint, class: "small" }, ...words));
      // In a window of its own: no browser brings back what stood in fields that a script has made.
      const statement = make("a", { href: form.statement_url, target: "_blank" },
        `${form.statement} (${form.elsewhere})`);
      const view = make("form", { lang: form.language, "aria-label": form.title, novalidate: "" },
        errors.form && make("p", { role: "alert", class: "wrong error", tabindex: "-1" }, errors.form),
        text("first_name", "text", "given-name", 100),
        text("last_name", "text", "family-name", 100),
        text("email", "email", "email", 254),
        make("div", { class: "unseen", "aria-hidden": "true" }, label("website", form.website),
          make("input", { id: "website", name: "website", tabindex: "-1", autocomplete: "off" })),
        tick("consent", "privacy", form.privacy, " ", statement, "."),
        tick("tracking", "why", form.why),
        make("button", { class: "first" }, make("span", {}, form.button)),
        make("p", { role: "status" }));
      view.addEventListener("submit", (event) => {
        event.preventDefault();
        send(form, Object.fromEntries(new FormData(view)));
      });
      return view;
    }

    function sent(form, values, said) {
      const button = (words, press) => {
        const one = make("button", { type: "button" }, words);
        one.addEventListener("click", press);
        return one;
      };
      return make("section", { lang: form.language, tabindex: "-1", "aria-label": said.title },
        make("p", { class: "title" }, said.title),
        said.notice && make("p", {}, said.notice),
        make("p", {}, said.lead, make("br"), make("strong", {}, said.address)),
        make("ol", {}, ...said.steps.map((step) => make("li", {}, step))),
        make("p", { class: "title" }, said.late),
        make("p", {}, said.advice),
        button(said.again, () => send(form, { ...values, again: "yes" })),
        button(said.correct, () => show(asked(form, values, {}), "#email")),
        make("p", { role: "status" }));
    }

    show(asked(form, { ...written, consent: "", tracking: "" }, {})); // a box there stood beside other words
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
