// Lets a device make or show a passkey, puts its answer into the form, and sends that on. Only where passkeys are known.
(() => {
  "use strict";
  if (!window.PublicKeyCredential) return;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (found) =>
    btoa(String.fromCharCode(...new Uint8Array(found))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const read = (asked) => {
    asked.challenge = bytes(asked.challenge);
    if (asked.user) asked.user.id = bytes(asked.user.id);
    for (const one of [...(asked.excludeCredentials || []), ...(asked.allowCredentials || [])]) one.id = bytes(one.id);
    return asked;
  };
  const written = (made) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (made.response[name]) response[name] = text(made.response[name]);
    }
    return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
  };
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const failed = form.querySelector("[data-failed]");
      failed.textContent = "";
      try {
        const options = { publicKey: read(JSON.parse(form.dataset.asked)) };
        const made = await navigator.credentials[form.dataset.passkey](options);
        form.querySelector("[data-answer]").value = written(made);
        form.submit();
      } catch {
        failed.textContent = failed.dataset.failed;
      }
    });
  }
})();
