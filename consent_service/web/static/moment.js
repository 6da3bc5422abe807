// Solves the task of the page in place of the half minute's wait, and sends the form on.
(async () => {
  "use strict";
  const form = document.querySelector("form[data-task]"), wait = document.querySelector("#wait");
  const said = document.querySelector("[role=status]");
  wait.hidden = true;
  said.textContent = said.dataset.words;
  try {
    form.elements.proof.value = await solve(JSON.parse(form.dataset.task));
    form.submit();
  } catch {
    said.textContent = "";
    wait.hidden = false;
  }
})();
