// Searches a list while somebody types: fetches its part of the page anew. Without this the form's button does the same.
(() => {
  "use strict";
  const PAUSE_MS = 150;
  const form = document.querySelector("form[data-list]");
  if (!form) return;
  const list = document.getElementById(form.dataset.list), said = form.querySelector("[role=status]");
  let waits, asked;

  async function find() {
    const place = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    if (asked) asked.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(`${place}&part=list`, { signal: asked.signal });
      if (!answer.ok || answer.redirected) throw new Error("no list");
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      list.replaceChildren(...found.body.childNodes);
      said.textContent = (list.querySelector("[data-said]") || said).textContent;
      history.replaceState(null, "", place);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(place);
    }
  }

  form.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(find, PAUSE_MS);
  });
})();
