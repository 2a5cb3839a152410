"use strict";
// Parts of a page that take a moment, the drawing, and the plots. Without scripts the pages work, and show less.

function fail(element, sentence) {
  const said = document.createElement("p");
  said.setAttribute("role", "alert");
  said.textContent = sentence;
  element.replaceChildren(said);
}

// The server escapes what stands in a part; an answer that is no success is shown as text.
async function fetchPart(element) {
  const sends = document.getElementById(element.dataset.sends);
  const asked = sends ? { method: "POST", body: new URLSearchParams({ text: sends.value }) } : {};
  const answer = await fetch(element.dataset.part, asked).catch(() => null);
  if (answer && answer.status === 202) { setTimeout(() => fetchPart(element), 2000); return; }
  if (!answer || !answer.ok) { fail(element, answer ? await answer.text() : "The server cannot be reached."); return; }
  element.innerHTML = await answer.text();
}

class Drawing {
  constructor(section) {
    this.address = section.dataset.drawing;
    this.canvas = section.querySelector(".canvas");
    this.bar = section.querySelector(".bar");
    this.scale = 1;
    this.bar.addEventListener("click", (event) => {
      const zoom = event.target.dataset.zoom;
      if (zoom) this.zoom(zoom);
    });
    this.canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8);
    }, { passive: false });
    this.canvas.addEventListener("keydown", (event) => {
      const factor = { "+": 1.25, "=": 1.25, "-": 0.8, "0": "fit" }[event.key];
      if (factor) { event.preventDefault(); this.zoom(factor); }
    });
    this.canvas.addEventListener("pointerdown", (event) => {
      const from = [event.clientX + this.canvas.scrollLeft, event.clientY + this.canvas.scrollTop];
      if (event.pointerType !== "mouse") return;
      this.canvas.onpointermove = (moved) => this.canvas.scrollTo(from[0] - moved.clientX, from[1] - moved.clientY);
    });
    window.addEventListener("pointerup", () => { this.canvas.onpointermove = null; });
    this.what = "";
    const given = this.canvas.querySelector("svg");
    if (given) this.show(given); else this.draw("");
  }

  async draw(what) {
    this.what = what;
    const waiting = document.createElement("p");
    waiting.textContent = "Drawing …";
    this.canvas.replaceChildren(waiting);
    for (const button of document.querySelectorAll("[data-draw]"))
      button.setAttribute("aria-pressed", String(button.dataset.draw === what));
    const answer = await fetch(what ? `${this.address}?${what}` : this.address).catch(() => null);
    if (!answer || !answer.ok) { fail(this.canvas, answer ? await answer.text() : "The server cannot be reached."); return; }
    const text = await answer.text();
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    this.canvas.replaceChildren(document.adoptNode(parsed));
    this.show(parsed);
  }

  show(svg) {
    this.svg = svg;
    this.size = [Number(svg.getAttribute("width")), Number(svg.getAttribute("height"))];
    const fits = (this.canvas.clientWidth - 16) / this.size[0];
    this.set(Math.min(1, Math.max(fits, 0.6)));
    this.canvas.scrollLeft = (this.canvas.scrollWidth - this.canvas.clientWidth) / 2;
  }

  zoom(factor) {
    if (!this.svg) return;
    if (factor === "fit") this.set(Math.min((this.canvas.clientWidth - 16) / this.size[0], (this.canvas.clientHeight - 8) / this.size[1]));
    else if (factor === "whole") this.set(1);
    else this.set(this.scale * Number(factor));
  }

  set(scale) {
    const middle = [(this.canvas.scrollLeft + this.canvas.clientWidth / 2) / this.scale, (this.canvas.scrollTop + this.canvas.clientHeight / 2) / this.scale];
    this.scale = Math.min(4, Math.max(0.02, scale));
    this.svg.setAttribute("width", this.size[0] * this.scale);
    this.svg.setAttribute("height", this.size[1] * this.scale);
    this.canvas.scrollTo(middle[0] * this.scale - this.canvas.clientWidth / 2, middle[1] * this.scale - this.canvas.clientHeight / 2);
  }
}

// Suggestions for the operator that one clicks. A row is asked about by its address; of a model that was handed in, which
// the server has not kept, the graph is sent along.
class Places {
  constructor(section, drawing) {
    this.address = section.dataset.places;
    this.drawing = drawing;
    this.form = section.querySelector("form");
    this.said = section.querySelector("[aria-live]");
    if (!this.form) return;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask(this.form.elements.node.value, "");
    });
    let pressed = null;
    drawing.canvas.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; });
    drawing.canvas.addEventListener("click", (event) => {
      const row = event.target.closest("[data-node]");
      const isDrag = pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 5;
      if (!row || isDrag) return;
      this.form.elements.node.value = drawing.what.startsWith("module=") ? "" : row.dataset.node;
      this.ask(row.dataset.node, drawing.what.startsWith("module=") ? drawing.what : "", row);
    });
  }

  async ask(node, module, row) {
    for (const one of this.drawing.canvas.querySelectorAll(".asked")) one.classList.remove("asked");
    if (row) row.classList.add("asked");
    const graph = document.getElementById("graph");
    const asked = new URLSearchParams(module);
    asked.set("node", node);
    if (graph) asked.set("text", graph.value);
    const waiting = document.createElement("p");
    waiting.textContent = "Asking the encoder …";
    this.said.replaceChildren(waiting);
    const sent = graph ? [this.address, { method: "POST", body: asked }] : [`${this.address}?${asked}`];
    const answer = await fetch(...sent).catch(() => null);
    if (!answer || !answer.ok) { fail(this.said, answer ? await answer.text() : "The server cannot be reached."); return; }
    this.said.innerHTML = await answer.text();
    this.said.scrollIntoView({ block: "nearest" });
  }
}

function styled(figure) {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim();
  const line = style.getPropertyValue("--line").trim();
  const layout = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 }, ...figure.layout };
  for (const axis of ["xaxis", "yaxis"]) layout[axis] = { gridcolor: line, zerolinecolor: line, automargin: true, ...layout[axis] };
  return [figure.data, layout, { responsive: true, displaylogo: false }];
}

async function plot(element) {
  const answer = await fetch(element.dataset.plot).catch(() => null);
  if (answer && answer.status === 202) { setTimeout(() => plot(element), 2000); return; }
  if (!answer || !answer.ok) { fail(element, answer ? await answer.text() : "The server cannot be reached."); return; }
  const figure = await answer.json();
  element.replaceChildren();
  if (figure.layout.height) element.style.minHeight = `${figure.layout.height + 10}px`; // with padding and border
  await Plotly.newPlot(element, ...styled(figure));
  element.on("plotly_click", (event) => { location.href = event.points[0].customdata[0]; });
  const shown = document.getElementById(element.dataset.shows);
  if (!shown) return;
  element.on("plotly_hover", (event) => {
    const [, fingerprint, name] = event.points[0].customdata;
    const picture = document.createElement("img");
    picture.className = "preview";
    picture.width = picture.height = 128;
    picture.src = `/architecture/${encodeURIComponent(fingerprint)}/preview.png`;
    picture.alt = "";
    const said = document.createElement("p");
    said.textContent = name;
    shown.replaceChildren(picture, said);
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const sections = [...document.querySelectorAll("[data-drawing]")];
  const [drawing] = sections.map((section) => new Drawing(section)); // where there are two, nothing but they are drawn
  document.addEventListener("click", (event) => {
    const what = event.target.dataset ? event.target.dataset.draw : undefined;
    if (what === undefined || !drawing) return;
    event.preventDefault();
    drawing.draw(what);
    sections[0].scrollIntoView({ block: "nearest" });
  });
  const places = document.querySelector("[data-places]");
  if (places && drawing) new Places(places, drawing);
  document.querySelectorAll("[data-part]").forEach(fetchPart);
  document.querySelectorAll("[data-plot]").forEach(plot);
  const filters = document.querySelector(".filters details");
  if (filters && window.matchMedia("(max-width: 800px)").matches) filters.open = false;
  // Fields that are left empty do not show in the address.
  document.querySelectorAll("form[method=get]").forEach((form) => form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  }));
  window.addEventListener("pageshow", () => document.querySelectorAll("form [disabled]").forEach((field) => { field.disabled = false; }));
});
