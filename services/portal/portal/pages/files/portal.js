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
  const soon = place.querySelector(".soon");
  const failed = place.querySelector(".failed");
  // In seconds from now: the PC's clock may be wrong.
  let endsAt = Date.now() + 1000 * Number(place.dataset.endsInSeconds);
  let keptAt = Date.now();
  let waiting = 0;
  let isEnding = false;

  // A form of the page has the version; other pages have nothing but that to send.
  function readFields() {
    const fields = new URLSearchParams();
    const form = document.querySelector("main form");
    for (const input of form ? form.elements : []) {
      if (!input.name || input.type === "password" || input.type === "submit") continue;
      fields.append(input.name, input.type === "checkbox" && !input.checked ? "" : input.value);
    }
    if (!fields.has("version")) fields.append("version", place.dataset.version);
    return fields;
  }

  async function keep() {
    clearTimeout(waiting);
    waiting = 0;
    keptAt = Date.now();
    const request = { method: "POST", body: readFields(), credentials: "same-origin" };
    const answer = await fetch(place.dataset.keep, request).catch(() => null);
    const kept = answer && answer.ok ? await answer.json() : {};
    if (!kept.ends_in_seconds) return false;
    endsAt = Date.now() + 1000 * kept.ends_in_seconds;
    soon.hidden = true;
    failed.hidden = true;
    return true;
  }

  async function keepTyped() {
    if (!(await keep())) keepLater();
  }

  function keepLater() {
    if (!waiting) waiting = setTimeout(keepTyped, Math.max(2000, keptAt + 20000 - Date.now()));
  }

  async function look() {
    const left = endsAt - Date.now();
    if (left < 120000) soon.hidden = false;
    if (left < 30000 && waiting) await keepTyped();
    if (left > 0 || isEnding) return;
    // The last words are kept, too; the page that comes then leads to a new log-in.
    isEnding = true;
    await keep();
    location.reload();
  }

  document.addEventListener("input", keepLater);
  soon.querySelector("button").addEventListener("click", async () => {
    failed.hidden = await keep();
  });
  setInterval(look, 5000);
}

// Looks again where something is under way. No `meta refresh`: who reads with a screen reader could not stop it in time.
function lookAgain() {
  const place = document.querySelector("[data-refresh-seconds]");
  if (place) setTimeout(() => location.reload(), 1000 * Number(place.dataset.refreshSeconds));
}

// Shows how far the other agencies are, until all are done or the person stops it. The page and its focus stay.
function followAgencies() {
  const place = document.querySelector("[data-follow-seconds]");
  if (!place) return;
  const stop = place.querySelector("button");
  let timer = 0;

  function lookLater() {
    timer = setTimeout(look, 1000 * Number(place.dataset.followSeconds));
  }

  async function look() {
    const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
    if (!timer) return;
    const page = new DOMParser().parseFromString(answer && answer.ok ? await answer.text() : "", "text/html");
    const newest = page.getElementById("agencies");
    if (newest) place.querySelector(".states").replaceChildren(...newest.querySelector(".states").childNodes);
    if (newest && !newest.dataset.followSeconds) place.querySelector(".moving").remove();
    else lookLater();
  }

  stop.hidden = false;
  stop.addEventListener("click", () => {
    clearTimeout(timer);
    timer = 0;
    stop.hidden = true;
  });
  lookLater();
}

// A receipt opens in a window of its own, to be printed.
function printReceipt() {
  if (document.querySelector("[data-print]")) window.print();
}

relay();
lookAgain();
followAgencies();
focusProblem();
watch();
printReceipt();
