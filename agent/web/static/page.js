// Keeps the page true: what the agent sends replaces what changed; when it is silent, the page says so.
"use strict";

const SILENT = "This device does not answer";
const SILENT_AFTER = 15000; // ms; the agent tells something at least every 5 s
const LOOK_EVERY = 10000; // ms, where no stream can be had

let heard = Date.now();

function replace(old, fresh) {
  if (!old || !fresh || old.isEqualNode(fresh)) return;
  const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
  old.replaceWith(fresh);
  if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// The verdict's words are a live region: it stays in place and is touched only when they change.
function replaceVerdict(old, fresh) {
  const words = old.querySelector("[role=status]");
  const said = fresh.querySelector("[role=status]");
  if (words.textContent !== said.textContent) words.replaceChildren(...said.cloneNode(true).childNodes);
  replace(old.querySelector(".icon"), fresh.querySelector(".icon"));
  replace(old.querySelector(".detail"), fresh.querySelector(".detail"));
  old.className = fresh.className;
}

function show(fresh, title) {
  replaceVerdict(document.getElementById("verdict"), fresh.querySelector("#verdict"));
  for (const part of fresh.querySelectorAll("section")) replace(document.getElementById(part.id), part);
  document.title = title;
  heard = Date.now();
}

// A page that says "Working" for an agent that is gone would be the worst of all.
function lost() {
  const verdict = document.getElementById("verdict");
  const since = `what you see is from ${new Date(heard).toLocaleTimeString()}; trying again`;
  verdict.className = "bad";
  const words = verdict.querySelector("[role=status]");
  if (words.textContent !== SILENT) words.textContent = document.title = SILENT;
  verdict.querySelector(".detail").textContent = since;
  verdict.querySelector("use").setAttribute("href", "#i-bad");
}

async function look() {
  try {
    const answer = await fetch("/", { signal: AbortSignal.timeout(LOOK_EVERY / 2) });
    if (!answer.ok) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    show(found.getElementById("live"), found.title);
  } catch {
    // The watch below says so.
  }
}

function listen() {
  const stream = new EventSource("/events");
  stream.onmessage = (event) => {
    const { html, title } = JSON.parse(event.data);
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    show(fresh.content, title);
  };
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(() => look().then(listen), LOOK_EVERY);
  };
}

setInterval(() => {
  if (Date.now() - heard > SILENT_AFTER) lost();
}, 1000);
listen();
