"use strict";
// Asks for the page again every second and shows what has changed; what was opened stays open.
const main = document.querySelector("main");
const connection = document.getElementById("connection");
let last = null;

function keyOf(details) {
  return details.id;
}

async function refresh() {
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    const text = await answer.text();
    connection.textContent = answer.ok ? "" : text;
    if (answer.ok && text !== last) {
      last = text;
      const opened = new Set([...main.querySelectorAll("details[open]")].map(keyOf));
      const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
      for (const details of fresh.querySelectorAll("details")) {
        details.open = opened.has(keyOf(details));
      }
      main.replaceChildren(...fresh.childNodes);
    }
  } catch {
    connection.textContent = "The cloud has stopped.";
  }
  setTimeout(refresh, 1000);
}

setTimeout(refresh, 1000);
