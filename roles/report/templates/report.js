/* Copyright (c) 2026, the kernel.livepatch authors
   GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later */
"use strict";
(() => {
  const form = document.getElementById("filter");
  const folded = [...document.querySelectorAll(".group")].map((group) => ({ group, unfolded: group.open }));
  // Read the rows only for a search: there can be thousands.
  let groups;
  const read = () => folded.map(({ group, unfolded }) => ({
    group, unfolded,
    rows: [...group.querySelectorAll("tr:has(> [scope=row])")].map((row) => {
      const [name, state, last] = [row.cells[0], row.cells[1], row.cells[row.cells.length - 1]]
        .map((cell) => cell.textContent.toLowerCase());
      return { row, text: `${name} ${state} ${last}`, wrong: last.trim() !== "" };
    }),
  }));
  const show = () => {
    const wanted = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wrong = form.elements.wrong.checked;
    const active = wrong || wanted.length > 0;
    let hits = 0;
    let all = 0;
    groups ??= read();
    for (const { group, unfolded, rows } of groups) {
      let here = 0;
      for (const { row, text, wrong: isWrong } of rows) {
        row.hidden = (wrong && !isWrong) || !wanted.every((word) => text.includes(word));
        here += row.hidden ? 0 : 1;
      }
      group.hidden = here === 0;
      group.open = active ? here > 0 : unfolded;
      hits += here;
      all += rows.length;
    }
    form.elements.hits.textContent = active ? `${hits} of ${all} hosts` : "";
  };
  let timer;
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  form.hidden = false;
  const unfold = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    for (let place = target; place; place = place.parentElement) {
      if (place instanceof HTMLDetailsElement) { place.open = true; }
    }
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
