
// SPDX-FileCopyrightText: oCore collection contributors
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
(() => {
  const root = document.documentElement;
  const get = (id) => document.getElementById(id);

  const themes = { "": "automatic", light: "light", dark: "dark" };
  const button = get("theme");
  const show = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    button.textContent = `Theme: ${themes[theme]}`;
  };
  let theme = "";
  // A page opened from a file or in a sandbox may have no storage: then the choice lasts as long as the page.
  try { theme = localStorage.getItem("fleet-report-theme") || ""; } catch { }
  show(theme in themes ? theme : "");
  button.hidden = false;
  button.addEventListener("click", () => {
    const names = Object.keys(themes);
    theme = names[(names.indexOf(theme) + 1) % names.length];
    show(theme);
    try { localStorage.setItem("fleet-report-theme", theme); } catch { }
  });

  // Paper has nothing to unfold: it shows every entry that needs attention, and every change.
  const folded = [];
  addEventListener("beforeprint", () => {
    folded.push(...document.querySelectorAll("details.more:not([open])"));
    for (const more of folded) more.open = true;
  });
  addEventListener("afterprint", () => { for (const more of folded.splice(0)) more.open = false; });

  const table = get("fleet");
  if (!table) return;
  const body = table.tBodies[0];
  const text = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const rows = [...body.rows].map((row) => ({
    row,
    words: row.textContent.toLocaleLowerCase(),
    name: row.querySelector(".name").textContent,
    status: row.querySelector(".status").textContent,
    version: row.dataset.version,
  }));
  const total = rows.length;
  const numeric = (key) => (item) => {
    const value = item.row.getAttribute(`data-v-${key}`);
    return value === "" ? null : Number(value);
  };
  const values = {
    attention: numeric("attention"), score: numeric("score"), days: numeric("days"), restarts: numeric("restarts"),
    name: (item) => item.name, status: (item) => item.status, version: (item) => item.version,
  };

  const sort = (key, direction) => {
    const value = values[key];
    const order = values.attention;
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      // What is unknown stays last in both directions.
      if (x === null || y === null) return (x === null) - (y === null) || order(a) - order(b);
      return direction * (typeof x === "string" ? text.compare(x, y) : x - y) || order(a) - order(b);
    });
    body.append(...rows.map((item) => item.row));
  };
  for (const head of table.tHead.rows[0].cells) {
    const press = document.createElement("button");
    press.type = "button";
    press.append(...head.childNodes);
    head.append(press);
    press.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sort(head.dataset.sort, ascending ? 1 : -1);
    });
  }

  const form = get("filters");
  const names = ["phase", "version", "severity", "band", "certificate", "server"];
  const fields = Object.fromEntries(names.map((name) => [name, get(`f-${name}`)]));
  // An instance has several certificates, so it fits by any of their states.
  const has = (row, name, value) => name === "certificate"
    ? row.dataset.certificate.split(" ").includes(value)
    : row.dataset[name] === value;
  const filter = () => {
    const words = get("q").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, words: said } of rows) {
      const fits = words.every((word) => said.includes(word))
        && Object.entries(fields).every(([name, field]) => !field.value || has(row, name, field.value));
      row.hidden = !fits;
      count += fits;
    }
    get("shown").textContent = count === total ? `All ${total} shown` : `${count} of ${total} shown`;
    get("nothing").hidden = count > 0;
    table.hidden = count === 0;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  const clear = () => { form.reset(); filter(); };
  form.querySelector("[type=reset]").addEventListener("click", (event) => { event.preventDefault(); clear(); });
  filter();

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    if (link.dataset.field) {
      form.reset();
      fields[link.dataset.field].value = link.dataset.value;
      filter();
      return;
    }
    const row = /^#i\d+$/.test(link.hash) && get(link.hash.slice(1));
    if (!row) return;
    // A link leads to its row whatever is filtered, and shows what is inside.
    if (row.hidden) clear();
    row.querySelector("details").open = true;
    row.focus({ preventScroll: true });
  });
})();
