// Live rates: asks the statistics again and again, and writes what changed a second into the table. Without it the page shows totals.
"use strict";
(() => {
  const table = document.getElementById("rates");
  if (!table) return;
  const filter = table.dataset.filter;
  const cells = new Map([...table.querySelectorAll("[data-stat]")].map((cell) => [cell.dataset.stat, cell]));
  let before = null;
  const write = (stats, time) => {
    for (const { name, value } of stats) {
      const cell = cells.get(name);
      if (!cell || typeof value !== "number") continue;
      cell.textContent = value.toLocaleString();
      const rate = cell.nextElementSibling;
      if (!before || !rate || rate.dataset.kind !== "rate" || !before.values.has(name)) continue;
      const seconds = (time - before.time) / 1000;
      const change = (value - before.values.get(name)) / seconds;
      rate.textContent = change >= 0 ? change.toLocaleString(undefined, { maximumFractionDigits: 1 }) : "";
    }
    before = { time, values: new Map(stats.map(({ name, value }) => [name, value])) };
  };
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/stats?format=json&type=All&filter=" + encodeURIComponent(filter), { cache: "no-store" });
      write((await answer.json()).stats.filter((stat) => "name" in stat), performance.now());
      document.body.classList.remove("away");
    } catch {
      document.body.classList.add("away");
    }
  };
  ask();
  setInterval(ask, 2000);
})();
