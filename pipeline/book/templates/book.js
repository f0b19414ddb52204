// The search over book-index.js, and a warning on a page that nobody has made again for long.
"use strict";
const up = document.body.dataset.up;
const input = document.getElementById("search");
const found = document.getElementById("found");
const MOST = 20;
const HOURS = 36;

function matches(words) {
  return BOOK.filter(([name, says]) => {
    const text = (name + " " + says).toLowerCase();
    return words.every((word) => text.includes(word));
  }).sort((one, other) => rank(other, words) - rank(one, words)).slice(0, MOST);
}

function rank([name], words) {
  return words.filter((word) => name.toLowerCase().includes(word)).length * 1000 - name.length;
}

function show() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const entries = words.length ? matches(words) : [];
  found.replaceChildren(...entries.map(([name, says, address]) => {
    const entry = document.createElement("li");
    const link = document.createElement("a");
    const text = document.createElement("small");
    link.href = up + address;
    link.textContent = name;
    text.textContent = says;
    link.append(text);
    entry.append(link);
    return entry;
  }));
  if (words.length && !entries.length) {
    const entry = document.createElement("li");
    entry.textContent = "Nothing has these words.";
    found.append(entry);
  }
  found.hidden = !words.length;
}

input.disabled = false;
input.addEventListener("input", show);
input.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { input.value = ""; show(); }
  if (event.key === "Enter") { found.querySelector("a")?.click(); }
});

const hours = (Date.now() - Date.parse(document.body.dataset.made)) / 3600000;
if (hours > HOURS) {
  const age = document.getElementById("age");
  age.textContent = "This page is " + Math.floor(hours / 24) + " days old, and says nothing of what came since. Make it again: python -m pipeline book";
  age.hidden = false;
}
