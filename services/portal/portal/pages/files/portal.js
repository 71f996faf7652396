"use strict";

// Posts what the card agent put into the fragment, after taking it out of the history.
function relay() {
  const form = document.getElementById("relay");
  if (!form) return;
  const values = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  for (const input of form.querySelectorAll("input")) input.value = values.get(input.name) || "";
  form.submit();
}

// The error summary has the focus, also where a browser passes over `autofocus`.
function focusProblem() {
  const problem = document.querySelector(".problem");
  if (problem) problem.focus();
}

// Warns two minutes before the log-in ends, and keeps what is typed meanwhile, at most every 20 seconds.
function watch() {
  const place = document.querySelector(".ends");
  if (!place) return;
  const keepAddress = place.dataset.keep;
  const soon = place.querySelector(".soon");
  let endsAt = Date.parse(place.dataset.endsAt);
  let keptAt = Date.now();
  let waiting = 0;

  async function keep() {
    waiting = 0;
    keptAt = Date.now();
    const form = document.querySelector("main form");
    if (!keepAddress || !form) return;
    const fields = new URLSearchParams();
    for (const input of form.elements) {
      if (!input.name || input.type === "password" || input.type === "submit") continue;
      if (input.type === "checkbox" && !input.checked) continue;
      fields.append(input.name, input.value);
    }
    const answer = await fetch(keepAddress, { method: "POST", body: fields, credentials: "same-origin" });
    if (!answer.ok) return;
    const kept = await answer.json();
    if (kept.ends_at) endsAt = Date.parse(kept.ends_at);
    soon.hidden = true;
  }

  document.addEventListener("input", () => {
    if (!waiting) waiting = setTimeout(keep, Math.max(2000, keptAt + 20000 - Date.now()));
  });
  soon.querySelector("button").addEventListener("click", keep);
  setInterval(() => {
    const left = endsAt - Date.now();
    if (left < 120000 && soon.hidden) soon.hidden = false;
    if (left <= 0) location.reload();
  }, 5000);
}

// Looks again where something is under way. No `meta refresh`: who reads with a screen reader could not stop it in time.
function lookAgain() {
  const place = document.querySelector("[data-refresh-seconds]");
  if (place) setTimeout(() => location.reload(), 1000 * Number(place.dataset.refreshSeconds));
}

relay();
lookAgain();
focusProblem();
watch();
