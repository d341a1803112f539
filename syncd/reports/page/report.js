"use strict";
for (const tools of document.querySelectorAll(".tools")) {
  const table = document.getElementById(tools.dataset.table);
  const body = table.tBodies[0];
  const box = tools.querySelector("input");
  const shown = tools.querySelector("output");
  const named = document.getElementById("f-" + table.id.slice(2));
  tools.hidden = false;
  const rows = Array.from(body.rows);
  let texts = null;
  const filter = () => {
    texts = texts || rows.map((row) => row.textContent.toLowerCase());
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, at) => {
      const fits = words.every((word) => texts[at].includes(word));
      row.hidden = !fits;
      count += fits;
    });
    named.hidden = words.length === 0;
    named.textContent = "Filtered by \u201c" + box.value.trim() + "\u201d: " + count.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " rows are shown.";
    shown.textContent = count.toLocaleString("en") + " of " + rows.length.toLocaleString("en");
  };
  let waiting = 0;
  box.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, rows.length > 2000 ? 250 : 0); });
  Array.from(table.tHead.rows[0].cells).forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
      const keyed = Array.from(body.rows, (row) => [row.cells[place].dataset.s || row.cells[place].textContent, row]);
      keyed.sort((a, b) => (a[0] === "") - (b[0] === "") || order.compare(a[0], b[0]) * (down ? -1 : 1));
      body.append(...keyed.map((pair) => pair[1]));
    });
  });
}
