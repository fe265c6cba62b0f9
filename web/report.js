"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (name, text, css) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (css) element.className = css;
    return element;
  };

  /* ---- the pictures behind a cell of the matrix ---- */
  const data = document.getElementById("cells"), dialog = document.getElementById("cell");
  const cells = data ? JSON.parse(data.textContent) : {};

  const show_picture = ([name, sure, address]) => {
    const item = make("li", undefined, "picture");
    if (address) {
      const image = make("img");
      image.src = address;
      image.alt = "";
      item.append(image);
    }
    if (sure >= 0) item.append(make("span", (sure / 10).toFixed(0) + " % sure", "sure"));
    item.append(make("span", name, "file"));
    return item;
  };

  const show_cell = (button) => {
    const pictures = cells[button.dataset.cell] || [];
    const heading = document.getElementById("cell-heading"), hint = dialog.querySelector(".hint");
    const words = button.getAttribute("aria-label") || button.textContent.trim().replace(/\s+/g, " ");
    const count = parseInt(words, 10);
    heading.textContent = words;
    hint.textContent = pictures.length < count ? "The first " + pictures.length + " of " + count + "." : "";
    dialog.querySelector("ul").replaceChildren(...pictures.map(show_picture));
    dialog.showModal();
    dialog.scrollTop = 0;
    heading.focus();
  };

  if (dialog) {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-cell]");
      if (button) show_cell(button);
    });
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }

  /* ---- the arrow keys within the matrix: one stop of the tab key for all of it ---- */
  for (const matrix of all(".matrix")) {
    const rows = all("tbody tr", matrix).map((row) => all("td", row).map((cell) => cell.querySelector("button")));
    const buttons = rows.flat().filter((button) => button);
    const stop_at = (button) => {
      for (const other of buttons) other.tabIndex = other === button ? 0 : -1;
    };
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (buttons.length) stop_at(buttons[0]);
    matrix.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || !event.target.closest("td")) return;
      event.preventDefault();
      let row = rows.findIndex((r) => r.includes(event.target)), column = rows[row].indexOf(event.target);
      do {
        row += step[0];
        column += step[1];
      } while (rows[row] && column >= 0 && column < rows[row].length && !rows[row][column]);
      const next = rows[row] && rows[row][column];
      if (!next) return;
      stop_at(next);
      next.focus();
    });
    matrix.addEventListener("focusin", (event) => {
      if (buttons.includes(event.target)) stop_at(event.target);
    });
  }

  /* ---- tables that sort ---- */
  const value_of = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  for (const table of all(".sortable")) {
    const heads = all("thead th", table), body = table.tBodies[0];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" ||
        (column === 0 && head.getAttribute("aria-sort") !== "ascending");
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => {
        const left = value_of(a, column), right = value_of(b, column);
        return (typeof left === "string" ? left.localeCompare(right) : left - right) * (up ? 1 : -1);
      });
      body.append(...rows);
    }));
  }

  /* ---- reading a chart ---- */
  const number = (value) => Math.abs(value) < 1e-3 || Math.abs(value) >= 1e4 ? value.toExponential(2) : String(+value.toPrecision(4));
  for (const panel of all(".panel")) {
    const chart = panel.querySelector("svg.chart"), names = all(".legend li", panel).map((item) => item.textContent);
    const curves = all("path.curve", chart);
    if (curves.length === 0 || curves.length !== names.length) continue;
    const [left, right, top, bottom] = chart.dataset.box.split(" ").map(Number);
    const [low, high] = chart.dataset.x.split(" ").map(Number);
    const [y_low, y_high, percent] = chart.dataset.y.split(" ").map(Number);
    const points = curves.map((curve) => [...curve.getAttribute("d").matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)]
      .map((match) => [Number(match[1]), Number(match[2])]));
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y1", top);
    cursor.setAttribute("y2", bottom);
    const readout = make("div", "", "readout");
    readout.setAttribute("aria-hidden", "true");
    const leave = () => {
      cursor.remove();
      readout.remove();
    };
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
      if (x < left - 8 || x > right + 8) return leave();
      const nearest = (list) => list.reduce((best, point) => Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best);
      const found = points.filter((list) => list.length).map(nearest);
      if (!found.length) return leave();
      const at = nearest(found)[0];
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
      const texts = found.map((point) => {
        const value = y_low + (y_high - y_low) * (bottom - point[1]) / (bottom - top);
        return percent ? (100 * value).toFixed(1) + " %" : number(value);
      });
      readout.textContent = "epoch " + Math.round(low + (high - low) * (at - left) / (right - left)) + ": " + texts.join("  ·  ");
      chart.append(cursor);
      panel.append(readout);
    });
    chart.addEventListener("pointerleave", leave);
  }

  /* ---- the command ---- */
  for (const button of all(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
  }
})();
